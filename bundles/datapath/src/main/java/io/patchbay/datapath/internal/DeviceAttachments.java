package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.Hook;
import io.patchbay.bpf.AttachType;
import io.patchbay.bpf.BpfException;
import io.patchbay.bpf.BpfLink;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.bpf.TcFilter;
import io.patchbay.bpf.TcxPosition;
import io.patchbay.netlink.Filter;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.LinkStats;
import io.patchbay.netlink.NetlinkException;
import io.patchbay.netlink.NetlinkSocket;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Preambles and guards on devices and cgroups. On pod devices clsact filters of our own priority and handle (nothing there
 * waits for RCU); on the node's few devices tcx links where the kernel has them. A guard comes before its preamble, so
 * that at no moment packets pass unseen. Calls run in the home namespace.
 */
final class DeviceAttachments implements Attachments, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DeviceAttachments.class);
    /** Before anything that tc numbers by itself (it counts down from 49152); 1 to 99 are left to those who must look first. */
    static final int PRIORITY = 100;
    static final int GUARD_PRIORITY = PRIORITY + 1;
    /** "pb". */
    static final int HANDLE = 0x7062;
    private static final String NO_DEVICE = "ENODEV";

    private record Key(Hook hook, String where, int ifindex) {
    }

    private static final class Kept {
        private final String mode;
        private long restored;

        Kept(String mode) {
            this.mode = mode;
        }
    }

    private final Core core;
    private final Home home;
    private final boolean tcx;
    private final Path record;
    private final NetlinkSocket netlink;
    private final Map<Key, Kept> kept = new LinkedHashMap<>();
    /** Counts changes of {@link #kept}; guarded by this. */
    private long changes;
    private final Executor soon;
    private final AtomicBoolean saveIsDue = new AtomicBoolean();
    private final Object saving = new Object();
    /** The change up to which the record is written; guarded by {@link #saving}. */
    private long saved;

    /** @param soon runs what may wait a moment, and at the latest before {@link #close} */
    DeviceAttachments(Core core, Home home, boolean tcx, Path state, Executor soon) {
        this.core = core;
        this.home = home;
        this.tcx = tcx;
        this.record = state.resolve("attachments.json");
        this.soon = soon;
        this.netlink = home.netlink();
        if (core.made()) {
            save();
            return;
        }
        Durable.read(record).ifPresent(j -> j.getJsonArray("attachments").forEach(v -> {
            JsonObject a = v.asJsonObject();
            kept.put(new Key(Hook.ofText(a.getString("hook")), a.getString("where"), a.getInt("ifindex")), new Kept(a.getString("mode")));
        }));
        if (core.upgraded()) {
            exchange();
        }
    }

    /** New preambles take the place of the pinned ones, each attachment at once from one program to the other. */
    private synchronized void exchange() {
        kept.forEach((k, a) -> home.call(() -> {
            try {
                if (k.hook().isSocket()) {
                    update(socketPin(k), core.preamble(k.hook()));
                } else if (a.mode.equals("tcx")) {
                    core.guard(k.hook()).ifPresent(g -> update(guardPin(k), g));
                    update(pin(k), core.preamble(k.hook()));
                } else {
                    core.guard(k.hook()).ifPresent(g -> guardFilter(k).attach(g, true));
                    filter(k).attach(core.preamble(k.hook()), true);
                }
            } catch (BpfException e) {
                LOG.warn("{} at {} keeps its old preamble: {}", k.hook().text(), k.where(), e.getMessage());
            }
            return null;
        }));
    }

    private static void update(Path pin, BpfProgram program) {
        try (BpfLink link = BpfLink.fromPin(pin)) {
            link.update(program);
        }
    }

    private static boolean isPod(Hook hook) {
        return hook == Hook.POD_EGRESS || hook == Hook.POD_INGRESS;
    }

    private static boolean isIngress(Hook hook) {
        return switch (hook) {
            case POD_EGRESS, OVERLAY_INGRESS, NETDEV_INGRESS -> true;
            case POD_INGRESS, NETDEV_EGRESS, HOST_EGRESS -> false;
            default -> throw new IllegalArgumentException(hook.text() + " is no hook of a device");
        };
    }

    private TcFilter filter(Key k) {
        return new TcFilter(k.ifindex(), isIngress(k.hook()) ? TcFilter.Direction.INGRESS : TcFilter.Direction.EGRESS, PRIORITY, HANDLE);
    }

    private TcFilter guardFilter(Key k) {
        return new TcFilter(k.ifindex(), isIngress(k.hook()) ? TcFilter.Direction.INGRESS : TcFilter.Direction.EGRESS, GUARD_PRIORITY, HANDLE);
    }

    private Path pin(Key k) {
        return core.linkPins().resolve(k.hook().text() + "-" + k.ifindex());
    }

    private Path guardPin(Key k) {
        return core.linkPins().resolve(k.hook().text() + "-" + k.ifindex() + "-guard");
    }

    private Path socketPin(Key k) {
        return core.linkPins().resolve(k.hook().text() + "-" + CoreObjects.digest(k.where().getBytes(java.nio.charset.StandardCharsets.UTF_8)).substring(0, 16));
    }

    @Override
    public void attach(Hook hook, int ifindex) {
        isIngress(hook);
        boolean added;
        synchronized (this) {
            String name = name(ifindex).orElseThrow(() -> new DatapathException("attach " + hook.text() + ": there is no device with index " + ifindex));
            Key k = new Key(hook, name, ifindex);
            Optional<Key> known = find(hook, ifindex);
            Kept a = known.map(kept::get).orElseGet(() -> new Kept(!isPod(hook) && tcx ? "tcx" : "clsact"));
            if (known.isEmpty() && a.mode.equals("clsact")) {
                fresh(k);
            } else {
                ensure(k, a);
            }
            known.filter(o -> !o.equals(k)).ifPresent(kept::remove);
            added = kept.put(k, a) == null;
            if (added) {
                changes++;
            }
        }
        if (added) {
            saveFor(hook);
        }
    }

    private Optional<String> name(int ifindex) {
        return netlink.links().find(ifindex).map(Link::name);
    }

    private Optional<Key> find(Hook hook, int ifindex) {
        return kept.keySet().stream().filter(o -> o.hook() == hook && o.ifindex() == ifindex && !hook.isSocket()).findFirst();
    }

    /** Whether something of ours belongs on that device. */
    synchronized boolean isKept(int ifindex) {
        return kept.keySet().stream().anyMatch(k -> k.ifindex() == ifindex && !k.hook().isSocket());
    }

    /** Puts what is missing. @return whether anything was */
    private boolean ensure(Key k, Kept a) {
        try {
            return home.call(() -> k.hook().isSocket() ? ensureSocket(k) : a.mode.equals("tcx") ? ensureTcx(k) : ensureClsact(k));
        } catch (BpfException e) {
            throw new DatapathException("attach " + k.hook().text() + " at " + k.where() + ": " + e.getMessage(), e);
        }
    }

    private boolean ensureClsact(Key k) {
        Optional<BpfProgram> guard = core.guard(k.hook());
        boolean guardMissing = guard.isPresent() && !isAt(guardFilter(k), guard.get());
        boolean missing = !isAt(filter(k), core.preamble(k.hook()));
        if (guardMissing || missing) {
            TcFilter.ensureHook(k.ifindex());
        }
        if (guardMissing) {
            guardFilter(k).attach(guard.get(), true);
        }
        if (missing) {
            filter(k).attach(core.preamble(k.hook()), true);
        }
        return guardMissing || missing;
    }

    /** A device that has come: without asking first what is there. What has our priority and handle is ours, from before a record was lost. */
    private void fresh(Key k) {
        try {
            home.call(() -> {
                TcFilter.ensureHook(k.ifindex());
                core.guard(k.hook()).ifPresent(g -> guardFilter(k).attach(g, true));
                filter(k).attach(core.preamble(k.hook()), true);
                return null;
            });
        } catch (BpfException e) {
            throw new DatapathException("attach " + k.hook().text() + " at " + k.where() + ": " + e.getMessage(), e);
        }
    }

    private static boolean isAt(TcFilter filter, BpfProgram program) {
        OptionalInt id = filter.programId();
        return id.isPresent() && id.getAsInt() == program.id();
    }

    private boolean ensureTcx(Key k) {
        AttachType direction = isIngress(k.hook()) ? AttachType.TCX_INGRESS : AttachType.TCX_EGRESS;
        Optional<BpfProgram> guard = core.guard(k.hook());
        boolean changed = false;
        int guardLink = 0;
        if (guard.isPresent()) {
            Optional<Integer> there = alive(guardPin(k), k.ifindex());
            changed = there.isEmpty();
            guardLink = there.orElseGet(() -> link(guardPin(k), guard.get(), k.ifindex(), direction, TcxPosition.first()));
        }
        if (alive(pin(k), k.ifindex()).isEmpty()) {
            changed = true;
            link(pin(k), core.preamble(k.hook()), k.ifindex(), direction, guardLink == 0 ? TcxPosition.first() : TcxPosition.beforeLink(guardLink));
        }
        return changed;
    }

    /** The id of a pinned link that is still on its device; a dead one's pin is removed. */
    private static Optional<Integer> alive(Path pin, int ifindex) {
        if (!Files.exists(pin)) {
            return Optional.empty();
        }
        try (BpfLink l = BpfLink.fromPin(pin)) {
            var info = l.info();
            if (ifindex == 0 ? info.target() != 0 : info.target() == ifindex) {
                return Optional.of(info.id());
            }
        }
        remove(pin);
        return Optional.empty();
    }

    private static void remove(Path pin) {
        try {
            Files.deleteIfExists(pin);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private int link(Path pin, BpfProgram program, int ifindex, AttachType direction, TcxPosition position) {
        try (BpfLink l = BpfLink.attachTcx(program, ifindex, direction, position)) {
            pinLink(l, pin);
            return l.id();
        }
    }

    private void pinLink(BpfLink l, Path pin) {
        try {
            Files.createDirectories(core.linkPins());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        l.pin(pin);
    }

    private boolean ensureSocket(Key k) {
        Path pin = socketPin(k);
        if (alive(pin, 0).isPresent()) {
            return false;
        }
        try (BpfLink l = BpfLink.attachCgroup(core.preamble(k.hook()), Path.of(k.where()), type(k.hook()))) {
            pinLink(l, pin);
        }
        return true;
    }

    private static AttachType type(Hook hook) {
        return switch (hook) {
            case CONNECT4 -> AttachType.CGROUP_INET4_CONNECT;
            case CONNECT6 -> AttachType.CGROUP_INET6_CONNECT;
            case SENDMSG4 -> AttachType.CGROUP_UDP4_SENDMSG;
            case SENDMSG6 -> AttachType.CGROUP_UDP6_SENDMSG;
            case RECVMSG4 -> AttachType.CGROUP_UDP4_RECVMSG;
            case RECVMSG6 -> AttachType.CGROUP_UDP6_RECVMSG;
            case GETPEERNAME4 -> AttachType.CGROUP_INET4_GETPEERNAME;
            case GETPEERNAME6 -> AttachType.CGROUP_INET6_GETPEERNAME;
            default -> throw new IllegalArgumentException(hook.text() + " is no socket hook");
        };
    }

    @Override
    public void detach(Hook hook, int ifindex) {
        boolean removed;
        synchronized (this) {
            Key k = find(hook, ifindex).orElse(new Key(hook, "", ifindex));
            removed = kept.remove(k) != null;
            if (removed) {
                changes++;
            }
            if (name(ifindex).isPresent()) {
                take(k);
            } else { // its filters went with the device, and its links are dead
                remove(pin(k));
                remove(guardPin(k));
            }
        }
        if (removed) {
            saveFor(hook);
        }
    }

    /** Pods come and go by the dozen, and whoever attaches them does so again after a kill: their lines may be a little late. */
    private void saveFor(Hook hook) {
        if (!isPod(hook)) {
            save();
        } else if (saveIsDue.compareAndSet(false, true)) {
            try {
                soon.execute(this::saveNow);
            } catch (RejectedExecutionException closing) {
                saveNow();
            }
        }
    }

    private void saveNow() {
        saveIsDue.set(false);
        save();
    }

    private void take(Key k) {
        try {
            home.call(() -> {
                unpin(pin(k));
                filter(k).detach();
                // The guard last: until it goes, nothing passes unseen.
                if (core.guard(k.hook()).isPresent()) {
                    unpin(guardPin(k));
                    guardFilter(k).detach();
                }
                return null;
            });
        } catch (BpfException e) {
            if (!e.errnoName().equals(NO_DEVICE)) {
                throw new DatapathException("detach " + k.hook().text() + " from device " + k.ifindex() + ": " + e.getMessage(), e);
            }
        }
    }

    private static void unpin(Path pin) {
        if (Files.exists(pin)) {
            try (BpfLink l = BpfLink.fromPin(pin)) {
                if (l.info().target() != 0) {
                    l.detach();
                }
            }
            remove(pin);
        }
    }

    @Override
    public void attachCgroup(String path) {
        boolean added = false;
        synchronized (this) {
            for (Hook h : Hook.values()) {
                if (h.isSocket()) {
                    Key k = new Key(h, path, 0);
                    Kept a = kept.getOrDefault(k, new Kept("cgroup"));
                    ensure(k, a);
                    added |= kept.put(k, a) == null;
                }
            }
            if (added) {
                changes++;
            }
        }
        if (added) {
            save();
        }
    }

    @Override
    public void detachCgroup(String path) {
        synchronized (this) {
            for (Hook h : Hook.values()) {
                if (h.isSocket()) {
                    Key k = new Key(h, path, 0);
                    kept.remove(k);
                    unpin(socketPin(k));
                }
            }
            changes++;
        }
        save();
    }

    @Override
    public synchronized List<Attachment> list() {
        return home.call(() -> {
            List<Attachment> all = new ArrayList<>();
            kept.forEach((k, a) -> all.add(new Attachment(k.hook(), a.mode, k.where(), k.ifindex(), present(k, a), a.restored)));
            return all;
        });
    }

    @Override
    public synchronized List<Other> others() {
        return home.call(() -> {
            List<Other> all = new ArrayList<>();
            try (NetlinkSocket s = NetlinkSocket.open()) {
                for (Map.Entry<Key, Kept> e : kept.entrySet()) {
                    if (!e.getKey().hook().isSocket()) {
                        others(e.getKey(), e.getValue(), s, all);
                    }
                }
            }
            return all;
        });
    }

    /** What tcx holds runs before all filters. */
    private void others(Key k, Kept a, NetlinkSocket s, List<Other> all) {
        Hook hook = k.hook();
        boolean ours = a.mode.equals("tcx");
        boolean met = false;
        try {
            if (tcx) {
                List<BpfLink.Attached> chain = BpfLink.query(k.ifindex(), isIngress(hook) ? AttachType.TCX_INGRESS : AttachType.TCX_EGRESS).programs();
                for (BpfLink.Attached p : chain) {
                    if (core.isOwn(hook, p.programId())) {
                        met = true;
                    } else {
                        all.add(new Other(hook, "tcx", k.where(), k.ifindex(), programName(p.programId()), p.programId(), !met));
                    }
                }
            }
            for (Filter f : s.qdiscs().filters(k.ifindex(), isIngress(hook))) {
                if (f.handle() != HANDLE || f.priority() != PRIORITY && f.priority() != GUARD_PRIORITY) {
                    all.add(new Other(hook, "clsact", k.where(), k.ifindex(), f.name().isEmpty() ? f.kind() : f.name(), f.programId(), !ours && f.priority() < PRIORITY));
                }
            }
        } catch (BpfException | NetlinkException e) {
            LOG.debug("what others have attached to {} can't be read: {}", k.where(), e.getMessage());
        }
    }

    private static String programName(int id) {
        try (BpfProgram p = BpfProgram.fromId(id)) {
            return p.name();
        } catch (BpfException e) {
            return "";
        }
    }

    private boolean present(Key k, Kept a) {
        try {
            return switch (a.mode) {
                case "cgroup" -> alive(socketPin(k), 0).isPresent();
                case "tcx" -> alive(pin(k), k.ifindex()).isPresent();
                default -> isAt(filter(k), core.preamble(k.hook()));
            };
        } catch (BpfException e) {
            return false;
        }
    }

    /**
     * Puts back what someone removed and forgets devices and cgroups that are gone.
     *
     * @return how much was put back
     * @throws DatapathException for the first that could not be put back, after all were tried
     */
    int reconcile() {
        return reconcile(k -> true);
    }

    /** As {@link #reconcile()}, for one device. */
    int reconcile(int ifindex) {
        return reconcile(k -> k.ifindex() == ifindex && !k.hook().isSocket());
    }

    /** One after the other, so that a pod that comes or goes waits for one of them and not for all. */
    private int reconcile(Predicate<Key> which) {
        List<Key> keys;
        synchronized (this) {
            keys = kept.keySet().stream().filter(which).toList();
        }
        int restored = 0;
        boolean forgotten = false;
        DatapathException first = null;
        for (Key k : keys) {
            try {
                switch (reconcile(k)) {
                    case RESTORED -> restored++;
                    case GONE -> forgotten = true;
                    case THERE -> { }
                }
            } catch (DatapathException e) {
                first = first == null ? e : first;
            }
        }
        if (forgotten) {
            save();
        }
        if (first != null) {
            throw first;
        }
        return restored;
    }

    private enum Found { THERE, RESTORED, GONE }

    private synchronized Found reconcile(Key k) {
        Kept a = kept.get(k);
        if (a == null) {
            return Found.THERE; // detached meanwhile
        }
        if (k.hook().isSocket() ? !Files.isDirectory(Path.of(k.where())) : name(k.ifindex()).isEmpty()) {
            kept.remove(k);
            changes++;
            remove(k.hook().isSocket() ? socketPin(k) : pin(k));
            remove(guardPin(k));
            return Found.GONE;
        }
        if (!ensure(k, a)) {
            return Found.THERE;
        }
        a.restored++;
        LOG.warn("{} at {} had been removed by someone; it is back", k.hook().text(), k.where());
        return Found.RESTORED;
    }

    /**
     * Drops and errors of attached devices, so far, and what the queues before them dropped: what is received from a pod counts at its egress
     * hook, and the other way round. What filters drop has a verdict and does not count here.
     */
    synchronized Map<Hook, Long> drops() {
        Map<Hook, Long> all = new EnumMap<>(Hook.class);
        try (NetlinkSocket s = home.netlink()) {
            Map<Integer, Long> queues = new HashMap<>();
            s.qdiscs().list().stream().filter(q -> q.isRoot()).forEach(q -> queues.merge(q.linkIndex(), q.drops(), Long::sum));
            for (Key k : kept.keySet()) {
                if (!k.hook().isSocket()) {
                    try {
                        LinkStats st = s.links().stats(k.ifindex());
                        all.merge(k.hook(), isIngress(k.hook()) ? st.rxDropped() + st.rxErrors()
                                : st.txDropped() + st.txErrors() + queues.getOrDefault(k.ifindex(), 0L), Long::sum);
                    } catch (NetlinkException e) {
                        LOG.debug("no counters of {}: {}", k.where(), e.getMessage());
                    }
                }
            }
        }
        return all;
    }

    /** Returns once the record has all changes up to now; without waiting for the disk, since no attachment outlives the kernel. */
    private void save() {
        long mine;
        synchronized (this) {
            mine = changes;
        }
        synchronized (saving) {
            if (saved > mine) {
                return;
            }
            JsonArrayBuilder all = Durable.JSON.createArrayBuilder();
            long upTo;
            synchronized (this) {
                upTo = changes;
                kept.forEach((k, a) -> all.add(Durable.JSON.createObjectBuilder().add("hook", k.hook().text()).add("where", k.where()).add("ifindex", k.ifindex())
                        .add("mode", a.mode)));
            }
            Durable.writeUnsynced(record, Durable.JSON.createObjectBuilder().add("attachments", all).build());
            saved = upTo + 1;
        }
    }

    /** Attachments outlive the agent. */
    @Override
    public void close() {
        netlink.close();
    }
}
