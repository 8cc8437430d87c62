package io.patchbay.api.datapath;

import java.util.List;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Puts preambles and guards on devices and cgroups, and keeps them there: what someone else removes is put back, what
 * someone else added is never touched. Attachments outlive the agent (clsact filters live on the device, links are
 * pinned). Thread-safe.
 */
@ProviderType
public interface Attachments {
    /**
     * Attaches the preamble of a hook (and its guard where the hook has one). Idempotent. Nothing here waits for RCU on
     * pod devices (clsact).
     *
     * @param ifindex device in the agent's namespace
     */
    void attach(Hook hook, int ifindex);

    /** Detaches ours alone; nothing happens when the device is gone. */
    void detach(Hook hook, int ifindex);

    /** Attaches all socket hooks to a cgroup2 directory. Idempotent; pinned links. */
    void attachCgroup(String path);

    void detachCgroup(String path);

    List<Attachment> list();

    /** What others have attached to the same sides of the same devices, in the order in which it runs. */
    List<Other> others();

    /**
     * One attachment as the kernel has it.
     *
     * @param mode     {@code tcx}, {@code clsact} or {@code cgroup}
     * @param where    device name or cgroup path
     * @param restored how often it had to be put back
     */
    record Attachment(Hook hook, String mode, String where, int ifindex, boolean present, long restored) {
    }

    /**
     * A program or filter of somebody else.
     *
     * @param hook      ours at that side of the device
     * @param mode      {@code tcx} or {@code clsact}
     * @param where     device name
     * @param name      of the program, or the kind of a filter without one
     * @param programId 0 for a filter without a program
     * @param first     whether it sees packets before ours does
     */
    record Other(Hook hook, String mode, String where, int ifindex, String name, int programId, boolean first) {
    }
}
