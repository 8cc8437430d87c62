package io.patchbay.lifecycle.internal;

import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A configuration key as its feature declares it.
 *
 * @param standard    shipped default; valid itself
 * @param min         of an INT; null: none
 * @param max         of an INT; null: none
 * @param values      of a CHOICE
 * @param pattern     of a TEXT: what the whole of it must match; "": anything
 * @param description one line; "": none
 * @param sizes       maps of the feature that have as many entries as the value says: another value is a change of the generation
 */
record Setting(String standard, Type type, Long min, Long max, List<String> values, String pattern, String description, List<String> sizes) {
    /** DURATION: a whole number with ms, s, m or h. */
    enum Type { TEXT, INT, BOOL, DURATION, CHOICE }

    static Setting whole(String standard, long min, long max, String description) {
        return new Setting(standard, Type.INT, min, max, List.of(), "", description, List.of());
    }

    static Setting text(String standard) {
        return new Setting(standard, Type.TEXT, null, null, List.of(), "", "", List.of());
    }

    /** Why this is no value of the setting; empty: it is one. */
    Optional<String> problem(String value) {
        return switch (type) {
            case TEXT -> pattern.isEmpty() || value.matches(pattern) ? Optional.empty() : Optional.of("'" + value + "' does not have the form " + pattern);
            case BOOL -> value.equals("true") || value.equals("false") ? Optional.empty() : Optional.of("'" + value + "' is neither true nor false");
            case DURATION -> value.matches("\\d{1,9}(ms|s|m|h)") ? Optional.empty() : Optional.of("'" + value + "' is no duration: a whole number with ms, s, m or h");
            case CHOICE -> values.contains(value) ? Optional.empty() : Optional.of("'" + value + "' is none of " + String.join(", ", values));
            case INT -> {
                if (!value.matches("-?\\d{1,18}")) {
                    yield Optional.of("'" + value + "' is no whole number" + range());
                }
                long n = Long.parseLong(value);
                yield min != null && n < min || max != null && n > max ? Optional.of(value + " is out of range" + range()) : Optional.empty();
            }
        };
    }

    /** What a value of this setting looks like, for messages and help. */
    String form() {
        return switch (type) {
            case CHOICE -> String.join("|", values);
            case INT -> "int" + (min == null && max == null ? "" : " " + (min == null ? "" : min) + ".." + (max == null ? "" : max));
            default -> type.name().toLowerCase(Locale.ROOT);
        };
    }

    private String range() {
        return min == null && max == null ? "" : min == null ? " (at most " + max + ")" : max == null ? " (at least " + min + ")" : " (" + min + " to " + max + ")";
    }

    /** As ConfigAdmin has it: Long, Boolean or String. */
    Object typed(String value) {
        return switch (type) {
            case INT -> Long.valueOf(value);
            case BOOL -> Boolean.valueOf(value);
            default -> value;
        };
    }
}
