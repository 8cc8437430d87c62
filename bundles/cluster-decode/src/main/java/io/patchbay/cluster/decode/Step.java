package io.patchbay.cluster.decode;

/**
 * The way from a document's root to a value. Its text is made only for those who ask, which is when something is wrong.
 *
 * @param above null at the start
 * @param name  a key or an index; at the start any path, "" for the root itself
 */
record Step(Step above, Object name) {
    static final Step ROOT = new Step(null, "");

    Step key(String key) {
        return new Step(this, key);
    }

    Step item(int index) {
        return new Step(this, index);
    }

    @Override
    public String toString() {
        if (above == null) return name.toString();
        String path = above.toString();
        if (name instanceof Integer index) return path + "[" + index + "]";
        String key = (String) name;
        boolean plain = !key.isEmpty() && key.chars().allMatch(c -> c < 128 && (Character.isLetterOrDigit(c) || c == '_' || c == '-' || c == '$'));
        if (!plain) return path + "[" + key + "]";
        return path.isEmpty() ? key : path + "." + key;
    }
}
