package io.patchbay.itests;

import jakarta.json.JsonObject;
import java.util.List;

/** A change's ledger, as {@code ledger -o json} prints it. */
record Ledger(JsonObject json) {
    int change() {
        return json.getInt("change");
    }

    int fromEpoch() {
        return json.getJsonNumber("fromEpoch").intValue();
    }

    int toEpoch() {
        return json.getJsonNumber("toEpoch").intValue();
    }

    String title() {
        return json.getString("title");
    }

    String outcome() {
        return json.getString("outcome");
    }

    List<String> carried() {
        return json.getJsonArray("carried").getValuesAs(jakarta.json.JsonString::getString);
    }

    /** Of one hook; 0 if it has no row. */
    long count(String hook, String column) {
        return Lab.objects(json.get("rows")).stream().filter(r -> r.getString("hook").equals(hook)).mapToLong(r -> r.getJsonNumber(column).longValue()).sum();
    }

    long sum(String column) {
        return Lab.objects(json.get("rows")).stream().mapToLong(r -> r.getJsonNumber(column).longValue()).sum();
    }

    /** Not a packet lost, in a hole, past the pipeline, in two generations, or dropped by a device. */
    void assertClean() {
        for (String column : List.of("lost", "hole", "unprocessed", "mixed", "deviceDrops")) {
            if (sum(column) != 0) {
                throw new AssertionError("change " + change() + ", " + title() + ", has " + sum(column) + " " + column + ": " + json);
            }
        }
        if (!outcome().equals("accepted")) {
            throw new AssertionError("change " + change() + ", " + title() + ": " + outcome());
        }
    }
}
