package io.patchbay.servicelb.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfObject;
import io.patchbay.bpf.LoadOptions;
import io.patchbay.bpf.MapSpec;
import io.patchbay.bpf.ObjectSpec;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** While a change of layout is under way every lookup may go to the old map: the verifier must take that form of the programs, too. */
@Tag("root")
class ReadThroughTest {
    @ParameterizedTest
    @ValueSource(strings = {"bpf/service.o", "bpf/nodeport.o", "bpf/sock.o"})
    void programsLoadWithAllMapsBeingCarried(String object) throws Exception {
        ObjectSpec spec;
        try (InputStream in = ReadThroughTest.class.getClassLoader().getResourceAsStream(object)) {
            spec = ObjectSpec.parse(in.readAllBytes());
        }
        LoadOptions.Builder options = LoadOptions.builder();
        List<BpfMap> made = new ArrayList<>();
        Set<String> carried = new TreeSet<>();
        for (MapSpec map : spec.maps().values()) {
            if (!map.name().endsWith("_old")) continue;
            String name = map.name().substring(0, map.name().length() - 4);
            carried.add(name);
            MapSpec of = spec.maps().get(name);
            BpfMap old = BpfMap.create(of.withMaxEntries(16));
            made.add(old);
            options.mapAsIs(map.name(), old);
            options.constant("pb_carry_" + name + ".active", 1).constant("pb_carry_" + name + ".key", places(of.keySize(), 64))
                    .constant("pb_carry_" + name + ".value", places(of.valueSize(), 256));
        }
        assertEquals(object.equals("bpf/service.o") ? "[lb_affinity, lb_backends, lb_flows, lb_members, lb_services, lb_slots]"
                : object.equals("bpf/nodeport.o") ? "[lb_affinity, lb_backends, lb_flows, lb_members, lb_nat, lb_services, lb_slots]"
                : "[lb_affinity, lb_backends, lb_members, lb_services, lb_slots, lb_sock_pick, lb_sock_rev]", carried.toString());
        BpfObject.load(spec, options.build()).close();
        made.forEach(BpfMap::close);
    }

    private static byte[] places(int size, int slots) {
        ByteBuffer b = ByteBuffer.allocate(2 * slots).order(ByteOrder.nativeOrder());
        for (int i = 0; i < slots; i++) b.putShort((short) (i < size ? i : 0xffff));
        return b.array();
    }
}
