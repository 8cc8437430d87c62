package io.patchbay.policy.internal;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.policy.internal.CompiledCluster.NodeView;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.evaluator.Connection;
import io.patchbay.policy.internal.kernel.KernelTables;
import io.patchbay.policy.internal.model.PolicyOptions;
import io.patchbay.policy.internal.model.SubjectClass;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The real programs as judge: puts a node's tables and addresses into the kernel, and sends the packet. */
final class KernelJudge implements AutoCloseable {
    /** PB_EP_AUDIT_IN and PB_EP_AUDIT_OUT. */
    static final int AUDIT = PolicyFeature.AUDIT;

    private final Programs programs = new Programs();
    private int packets;
    private KernelTables writer;
    private PolicyOptions written;
    /** Whose tables the kernel has, with how many classes. */
    private NodeView inKernel;
    private int classes;
    private int fewest;
    private int sets;

    /**
     * Another size of sets, or SCTP or not: another writer on the same maps, which adopts what the one before left, as a restarted agent does.
     *
     * @param fewest how many peers make a set
     */
    CompiledCluster.Judge with(PolicyOptions options, int fewest) {
        return with(options, fewest, 0);
    }

    /** @param flags of every endpoint, enum pb_ep_flags */
    CompiledCluster.Judge with(PolicyOptions options, int fewest, int flags) {
        if (writer == null || options.sctp() != written.sctp() || fewest != this.fewest) {
            writer = programs.tables(options.sctp(), fewest);
            this.fewest = fewest;
            inKernel = null;
        }
        written = options;
        KernelTables tables = writer;
        return (view, subjectClass, subject, peer, direction, c) -> judge(tables, flags, view, subjectClass, subject, peer, direction, c);
    }

    private int judge(KernelTables tables, int flags, NodeView view, SubjectClass sc, IpAddress subject, IpAddress peer, Direction direction, Connection c) {
        int policyId = view.classOf(sc);
        if (view != inKernel || view.classes.size() != classes) put(tables, view);
        boolean out = direction == Direction.EGRESS;
        int port = c.isIcmp() ? c.icmpType() << 8 | c.icmpCode() : c.port();
        byte[] packet = Programs.packet(out ? subject : peer, out ? peer : subject, c.protocol(), port);
        int code;
        if (sc.host()) {
            programs.host(subject, written.hostFirewall() ? policyId : 0, flags);
            code = programs.run(out ? Programs.NETDEV_EGRESS : Programs.NETDEV_INGRESS, packet);
            // behind policy this generation has nothing for the node: what passed meets the end
            if (code == Programs.TO_STACK || code == Programs.LEFT_ALONE) code = Programs.PASSED;
        } else {
            programs.endpoint(subject, view.lookup(subject)[0], policyId, flags);
            code = programs.run(out ? Programs.POD_EGRESS : Programs.POD_INGRESS, packet);
        }
        packets++;
        return code == Programs.PASSED ? 0 : code;
    }

    private void put(KernelTables tables, NodeView view) {
        Map<Integer, PolicyMap> all = new HashMap<>();
        view.classes.values().forEach(n -> all.put(n, view.engine.table(n)));
        List<Integer> gone = tables.inForce().keySet().stream().filter(n -> !all.containsKey(n)).toList();
        List<Integer> retired = tables.install(all, gone);
        programs.forgetAddresses();
        if (view.cluster.dualStack()) {
            programs.prefix(Prefix.parse("0.0.0.0/0"), 9);
            programs.prefix(Prefix.parse("::/0"), 10);
        }
        view.prefixes.forEach(programs::prefix);
        Set<Integer> known = new HashSet<>();
        for (Cluster.Pod p : view.cluster.pods()) for (IpAddress a : p.addresses()) known.add(address(view, a));
        for (Cluster.Node n : view.cluster.nodes()) for (IpAddress a : n.addresses()) known.add(address(view, a));
        tables.knowOnly(known);
        tables.discard(retired);
        tables.discard(tables.leftovers());
        sets = Math.max(sets, tables.usedSets());
        inKernel = view;
        classes = view.classes.size();
    }

    private int address(NodeView view, IpAddress a) {
        int[] ids = view.lookup(a);
        programs.address(a, ids[0], ids[1]);
        return ids[0];
    }

    /** The most sets of peers that were in the kernel at once. */
    int sets() {
        return sets;
    }

    int packets() {
        return packets;
    }

    @Override
    public void close() {
        programs.close();
    }
}
