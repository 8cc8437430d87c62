package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.Struct;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import jakarta.json.JsonValue;
import java.util.HexFormat;
import java.util.Locale;

/** Keys and values of maps as text and JSON, by the names and types of their layout. */
final class Decoded {
    private Decoded() {
    }

    /** {@code ifindex=4 mac=0a:58:0a:63:00:01}; a bare integer or address without a name. */
    static String text(Struct s) {
        StringBuilder b = new StringBuilder();
        for (Layout.Field f : s.layout().fields()) {
            if (isPadding(f)) {
                continue;
            }
            b.append(b.length() == 0 ? "" : " ").append(f.path().isEmpty() ? "" : f.path() + "=").append(member(s, f));
        }
        return b.toString();
    }

    static JsonValue json(Struct s) {
        if (s.layout().fields().size() == 1 && s.layout().fields().get(0).path().isEmpty()) {
            return scalar(s, s.layout().fields().get(0));
        }
        JsonObjectBuilder o = Json.createObjectBuilder();
        for (Layout.Field f : s.layout().fields()) {
            if (!isPadding(f)) {
                o.add(f.path(), scalar(s, f));
            }
        }
        return o.build();
    }

    private static JsonValue scalar(Struct s, Layout.Field f) {
        String t = f.typeName();
        if (isNumber(f) && !t.equals("__be32")) {
            return Json.createValue(t.equals("__be16") ? s.port(f.path()) : s.get(f.path()));
        }
        if (t.startsWith("__u32[")) {
            JsonArrayBuilder a = Json.createArrayBuilder();
            for (int i = 0; i < f.size() / 4; i++) {
                a.add(java.nio.ByteBuffer.wrap(s.bytes()).order(java.nio.ByteOrder.nativeOrder()).getInt(f.offset() + 4 * i) & 0xffffffffL);
            }
            return a.build();
        }
        return Json.createValue(member(s, f));
    }

    private static boolean isPadding(Layout.Field f) {
        String last = f.path().substring(f.path().lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
        return last.matches("pad\\d*|spare\\d*|reserved\\d*");
    }

    private static boolean isNumber(Layout.Field f) {
        return !f.typeName().contains("[") && (f.size() == 1 || f.size() == 2 || f.size() == 4 || f.size() == 8);
    }

    private static String member(Struct s, Layout.Field f) {
        String t = f.typeName();
        if (t.equals(BtfLayout.ADDRESS)) {
            return s.isZero(f.path()) ? "-" : s.address(f.path()).toString();
        }
        if (t.equals("__be16")) {
            return Integer.toString(s.port(f.path()));
        }
        if (t.equals("__be32")) {
            byte[] b = s.get(f.path(), 4);
            return (b[0] & 0xff) + "." + (b[1] & 0xff) + "." + (b[2] & 0xff) + "." + (b[3] & 0xff);
        }
        if (isNumber(f)) {
            return Long.toUnsignedString(s.get(f.path()));
        }
        byte[] b = s.get(f.path(), f.size());
        return f.size() == 6 ? HexFormat.ofDelimiter(":").formatHex(b) : HexFormat.of().formatHex(b);
    }
}
