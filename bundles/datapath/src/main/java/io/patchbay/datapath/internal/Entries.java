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
import io.patchbay.netlink.NetlinkException;
import io.patchbay.netlink.NetlinkSocket;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Preambles and guards in the kernel: clsact filters of our own priority and handle, tcx links, links of cgroups. A guard comes before its
 * preamble and goes after it, so that at no moment packets pass unseen. Calls run in the home namespace. Modes are those of
 * {@link io.patchbay.api.datapath.Attachments.Attachment}. Not for several threads at one place.
 */
final class Entries {
    private static final Logger LOG = LoggerFactory.getLogger(Entries.class);
    /** Before anything that tc numbers by itself (it counts down from 49152); 1 to 99 are left to those who must look first. */
    static final int PRIORITY = 100;
    static final int GUARD_PRIORITY = PRIORITY + 1;
    /** "pb". */
    static final int HANDLE = 0x7062;
    private static final String NO_DEVICE = "ENODEV";

    /**
     * A hook of one device or cgroup.
     *
     * @param where   the device's name, or the cgroup's path
     * @param ifindex 0 for a cgroup
     */
    record Place(Hook hook, String where, int ifindex) {
    }

    private final Core core;
    private final Home home;

    Entries(Core core, Home home) {
        this.core = core;
        this.home = home;
    }

    /** The core's present programs in the place of those that are there. */
    void exchange(Place k, String mode) {
        home.call(() -> {
            try {
                if (k.hook().isSocket()) {
                    update(socketPin(k), core.preamble(k.hook()));
                } else if (mode.equals("tcx")) {
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
        });
    }

    private static void update(Path pin, BpfProgram program) {
        try (BpfLink link = BpfLink.fromPin(pin)) {
            link.update(program);
        }
    }

    /** @throws IllegalArgumentException for a hook of cgroups */
    static boolean isIngress(Hook hook) {
        return switch (hook) {
            case POD_EGRESS, OVERLAY_INGRESS, NETDEV_INGRESS -> true;
            case POD_INGRESS, NETDEV_EGRESS, HOST_EGRESS -> false;
            default -> throw new IllegalArgumentException(hook.text() + " is no hook of a device");
        };
    }

    private TcFilter filter(Place k) {
        return new TcFilter(k.ifindex(), isIngress(k.hook()) ? TcFilter.Direction.INGRESS : TcFilter.Direction.EGRESS, PRIORITY, HANDLE);
    }

    private TcFilter guardFilter(Place k) {
        return new TcFilter(k.ifindex(), isIngress(k.hook()) ? TcFilter.Direction.INGRESS : TcFilter.Direction.EGRESS, GUARD_PRIORITY, HANDLE);
    }

    private Path pin(Place k) {
        return core.linkPins().resolve(k.hook().text() + "-" + k.ifindex());
    }

    private Path guardPin(Place k) {
        return core.linkPins().resolve(k.hook().text() + "-" + k.ifindex() + "-guard");
    }

    private Path socketPin(Place k) {
        return core.linkPins().resolve(k.hook().text() + "-" + CoreObjects.digest(k.where().getBytes(StandardCharsets.UTF_8)).substring(0, 16));
    }

    /** Puts what is missing. @return whether anything was */
    boolean ensure(Place k, String mode) {
        try {
            return home.call(() -> k.hook().isSocket() ? ensureSocket(k) : mode.equals("tcx") ? ensureTcx(k) : ensureClsact(k));
        } catch (BpfException e) {
            throw new DatapathException("attach " + k.hook().text() + " at " + k.where() + ": " + e.getMessage(), e);
        }
    }

    private boolean ensureClsact(Place k) {
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
    void fresh(Place k) {
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

    private boolean ensureTcx(Place k) {
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

    private boolean ensureSocket(Place k) {
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

    /** Takes it away from a device or cgroup that is there. */
    void take(Place k) {
        if (k.hook().isSocket()) {
            unpin(socketPin(k));
            return;
        }
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

    /** After its device or cgroup has gone. */
    void forget(Place k) {
        remove(k.hook().isSocket() ? socketPin(k) : pin(k));
        remove(guardPin(k));
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

    boolean present(Place k, String mode) {
        try {
            return switch (mode) {
                case "cgroup" -> alive(socketPin(k), 0).isPresent();
                case "tcx" -> alive(pin(k), k.ifindex()).isPresent();
                default -> isAt(filter(k), core.preamble(k.hook()));
            };
        } catch (BpfException e) {
            return false;
        }
    }

    /**
     * Adds what is not ours at a device's hook. What tcx holds runs before all filters.
     *
     * @param tcx whether the kernel has it
     * @param s   a socket of the home namespace
     */
    void others(Place k, String mode, boolean tcx, NetlinkSocket s, List<Attachments.Other> all) {
        Hook hook = k.hook();
        boolean ours = mode.equals("tcx");
        boolean met = false;
        try {
            if (tcx) {
                List<BpfLink.Attached> chain = BpfLink.query(k.ifindex(), isIngress(hook) ? AttachType.TCX_INGRESS : AttachType.TCX_EGRESS).programs();
                for (BpfLink.Attached p : chain) {
                    if (core.isOwn(hook, p.programId())) {
                        met = true;
                    } else {
                        all.add(new Attachments.Other(hook, "tcx", k.where(), k.ifindex(), programName(p.programId()), p.programId(), !met));
                    }
                }
            }
            for (Filter f : s.qdiscs().filters(k.ifindex(), isIngress(hook))) {
                if (f.handle() != HANDLE || f.priority() != PRIORITY && f.priority() != GUARD_PRIORITY) {
                    all.add(new Attachments.Other(hook, "clsact", k.where(), k.ifindex(), f.name().isEmpty() ? f.kind() : f.name(), f.programId(), !ours && f.priority() < PRIORITY));
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
}
