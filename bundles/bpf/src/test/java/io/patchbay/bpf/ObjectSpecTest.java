package io.patchbay.bpf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.bpf.btf.Btf;
import io.patchbay.bpf.btf.BtfException;
import io.patchbay.bpf.btf.BtfKind;
import io.patchbay.bpf.btf.BtfValue;
import io.patchbay.bpf.btf.StructLayout;
import io.patchbay.bpf.btf.StructLayout.FieldKind;
import io.patchbay.bpf.btf.TypeDifference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What is read from object files without a kernel. */
class ObjectSpecTest {
    private static final ObjectSpec BASIC = Compiled.spec("basic");

    @Test
    void readsProgramsMapsAndConstants() {
        assertEquals(Set.of("first", "second", "emit", "touch", "refuse"), BASIC.programs().keySet());
        assertEquals("cgroup/connect4", BASIC.programs().get("refuse").section());
        assertTrue(BASIC.programs().get("second").instructions() > 1);
        assertEquals(Set.of("flows", "counters", "shared", "stages", "events", "prefixes", "recent"), BASIC.maps().keySet());
        MapSpec flows = BASIC.map("flows");
        assertEquals(MapType.HASH, flows.type());
        assertEquals(16, flows.keySize());
        assertEquals(48, flows.valueSize());
        assertEquals(1000, flows.maxEntries());
        assertEquals("struct flow_key", BASIC.btf().describe(flows.keyType()));
        assertEquals(MapSpec.MMAPABLE, BASIC.map("shared").flags());
        assertEquals(4, BASIC.map("stages").valueSize());
        assertEquals(0, BASIC.map("events").keySize());
        assertEquals(Set.of("next_stage", "cfg"), BASIC.constants().keySet());
        Btf.Variable stage = BASIC.constants().get("next_stage");
        assertEquals(4, stage.size());
        assertEquals(7, ByteBuffer.wrap(BASIC.constantBytes()).order(ByteOrder.nativeOrder()).getInt(stage.offset()));
        assertEquals(16, BASIC.constants().get("cfg").size());
    }

    @Test
    void layoutsHaveFieldsByNameAndPath() {
        StructLayout value = BASIC.btf().layout("flow_value");
        assertEquals(48, value.size());
        assertEquals(8, value.offset("bytes"));
        assertEquals(16, value.offset("v4"), "a member of an anonymous union is a field of the struct");
        assertEquals(16, value.offset("v6", 16));
        StructLayout.Field nested = value.field("nested");
        assertEquals(FieldKind.ARRAY, nested.kind());
        assertEquals(2, nested.count());
        assertEquals(4, nested.elementSize());
        assertEquals(32 + 2, value.offset("nested.b"));
        assertEquals(FieldKind.SIGNED, value.field("nested.b").kind());
        StructLayout.Field seen = value.field("seen");
        assertEquals(List.of(1, 3), List.of(seen.bitOffset(), seen.bits()));
        BtfException missing = assertThrows(BtfException.class, () -> value.field("absent"));
        assertTrue(missing.getMessage().contains("packets") && missing.getMessage().contains("48 bytes"), missing.getMessage());
        assertThrows(BtfException.class, () -> value.offset("packets", 4));
        assertEquals(4, BASIC.btf().layout(BASIC.constants().get("cfg").type()).offset("net.port"));
    }

    @Test
    void valuesDecodeByType() {
        MapSpec flows = BASIC.map("flows");
        ByteBuffer bytes = ByteBuffer.allocate(48).order(ByteOrder.nativeOrder());
        bytes.putLong(0, 9).putInt(16, 0x01020304).putShort(36, (short) 65535).put(38, (byte) -3).put(40, (byte) 0b1011).putInt(44, -7);
        Object decoded = BtfValue.decode(BASIC.btf(), flows.valueType(), bytes, 0);
        Map<?, ?> fields = (Map<?, ?>) decoded;
        assertEquals(List.of("packets", "bytes", "v4", "v6", "nested", "closing", "seen", "delta"), List.copyOf(fields.keySet()));
        assertEquals(9L, fields.get("packets"));
        assertEquals(List.of(Map.of("a", 0L, "b", 0L), Map.of("a", 65535L, "b", -3L)), fields.get("nested"));
        assertEquals(1L, fields.get("closing"));
        assertEquals(5L, fields.get("seen"));
        assertEquals(-7L, fields.get("delta"));
    }

    @Test
    void layoutsOfTwoObjectsAreCompared() {
        MapSpec base = Compiled.spec("layout").map("state");
        assertTrue(base.difference(Compiled.spec("layout").map("state")).isEmpty());
        assertTrue(base.difference(Compiled.spec("layout", "RENAMED_TYPE").map("state")).isEmpty(), "names of types do not matter");
        String moved = base.difference(Compiled.spec("layout", "SWAPPED").map("state")).orElseThrow();
        assertTrue(moved.contains("field 1 is expires against packets"), moved);
        assertTrue(moved.contains("against\nstruct entry"), "both layouts are printed: " + moved);
        String grown = base.difference(Compiled.spec("layout", "GROWN").map("state")).orElseThrow();
        assertTrue(grown.contains("value 24 bytes") && grown.contains("value 32 bytes") && grown.contains("spare"), grown);
        String signed = base.difference(Compiled.spec("layout", "SIGNED").map("state")).orElseThrow();
        assertTrue(signed.contains("flags"), signed);
        assertTrue(base.difference(base.withMaxEntries(5)).isEmpty(), "the number of entries is no layout");
    }

    @Test
    void extractHoldsTheSameTypes() {
        MapSpec flows = BASIC.map("flows");
        Btf.Extract extract = BASIC.btf().extract(flows.keyType(), flows.valueType());
        Btf small = Btf.parse(extract.bytes());
        assertTrue(small.typeCount() < BASIC.btf().typeCount());
        assertEquals(Optional.empty(), TypeDifference.between(BASIC.btf(), flows.keyType(), small, extract.ids()[0]));
        assertEquals(Optional.empty(), TypeDifference.between(BASIC.btf(), flows.valueType(), small, extract.ids()[1]));
        assertEquals("struct flow_value", small.describe(extract.ids()[1]));
    }

    @Test
    void forwardDeclarationInAMapDefinitionIsRefused() {
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, () -> Compiled.spec("forward"));
        assertTrue(refusal.getMessage().contains("map unknown: its value is only declared, struct later"), refusal.getMessage());
    }

    @Test
    void pinningInAMapDefinitionIsRefused() {
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, () -> Compiled.spec("layout", "PINNED"));
        assertTrue(refusal.getMessage().contains("leave out pinning"), refusal.getMessage());
    }

    @Test
    void otherFilesAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> ObjectSpec.parse(new byte[0]));
        assertThrows(IllegalArgumentException.class, () -> ObjectSpec.parse("#!/bin/sh, which is certainly longer than sixty-four bytes are wide".getBytes()));
        byte[] cut = Compiled.object("basic");
        assertThrows(IllegalArgumentException.class, () -> ObjectSpec.parse(java.util.Arrays.copyOf(cut, cut.length / 2)));
    }

    @Test
    void optionsThatTheObjectDoesNotKnowAreRefused() {
        assertRefused("no constant speed", LoadOptions.builder().constant("speed", 1));
        assertRefused("no field cfg2", LoadOptions.builder().constant("cfg.cfg2", 1));
        assertRefused("no program third", LoadOptions.builder().skip("third"));
    }

    private static void assertRefused(String text, LoadOptions.Builder options) {
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, () -> BpfObject.load(BASIC, options.build()));
        assertTrue(refusal.getMessage().contains(text), refusal.getMessage());
    }

    /** Any bytes give a specification or an IllegalArgumentException: no other exception, no endless loop. */
    @Test
    void mutatedInputIsParsedOrRefused() {
        Random random = new Random(20261122);
        byte[] btf = BASIC.btf().bytes();
        int parsed = 0;
        for (int round = 0; round < 20_000; round++) {
            parsed += exerciseBtf(mutate(btf, random)) ? 1 : 0;
        }
        assertTrue(parsed > 1000, "most mutations must get past the header to test anything: " + parsed);
        byte[] object = Compiled.object("basic");
        for (int round = 0; round < 3_000; round++) {
            try {
                ObjectSpec.parse(mutate(object, random));
            } catch (IllegalArgumentException expected) {
                // refused, as it should be
            }
        }
    }

    private static byte[] mutate(byte[] original, Random random) {
        byte[] bytes = random.nextInt(10) == 0 ? java.util.Arrays.copyOf(original, random.nextInt(original.length)) : original.clone();
        for (int i = random.nextInt(6); i >= 0 && bytes.length > 0; i--) {
            int at = random.nextInt(bytes.length);
            switch (random.nextInt(3)) {
                case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> bytes[at] = (byte) random.nextInt(256);
                default -> bytes[at] = (byte) (random.nextBoolean() ? 0 : 0xff);
            }
        }
        return bytes;
    }

    private static boolean exerciseBtf(byte[] bytes) {
        Btf btf;
        try {
            btf = Btf.parse(bytes);
        } catch (BtfException refused) {
            return false;
        }
        ByteBuffer zeroes = ByteBuffer.allocate(4096);
        for (int id = 1; id <= btf.typeCount(); id++) {
            int type = id;
            quietly(() -> btf.describe(type));
            quietly(() -> btf.sizeOf(type));
            quietly(() -> btf.extract(type));
            quietly(() -> TypeDifference.between(btf, type, BASIC.btf(), Math.min(type, BASIC.btf().typeCount())));
            if (btf.kind(id) == BtfKind.STRUCT) {
                quietly(() -> btf.layout(type).describe());
                try {
                    BtfValue.decode(btf, type, zeroes, 0);
                } catch (BtfException | IndexOutOfBoundsException refused) {
                    // the mutated type is larger than the data, or broken
                }
            }
        }
        return true;
    }

    private static void quietly(Runnable call) {
        try {
            call.run();
        } catch (BtfException refused) {
            // refused, as it should be
        }
    }
}
