package io.patchbay.lifecycle.internal;

import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.api.feature.Features;
import io.patchbay.lifecycle.internal.Record.Desired;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.osgi.framework.Version;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** How the features of this node are, as of now. Thread-safe. */
final class FeatureStates implements Features {
    private static final Logger LOG = LoggerFactory.getLogger(FeatureStates.class);

    private record Since(State state, Instant at) {
    }

    private final FeatureSet features;
    private final Bundles bundles;
    private final Permits permits;
    private final Repository repository;
    private final Map<String, Since> since = new ConcurrentHashMap<>();
    private volatile boolean begun;

    FeatureStates(FeatureSet features, Bundles bundles, Permits permits, Repository repository) {
        this.features = features;
        this.bundles = bundles;
        this.permits = permits;
        this.repository = repository;
    }

    /** The start is over: what is not there now is missing. */
    void begin() {
        begun = true;
    }

    @Override
    public List<FeatureStatus> list() {
        List<FeatureStatus> all = new ArrayList<>();
        features.record().features().forEach((f, e) -> {
            String[] detail = {""};
            State state = state(f, e, detail);
            Since s = since.compute(f, (k, old) -> old != null && old.state == state ? old : new Since(state, Instant.now()));
            FeatureJar jar = features.jars().get(f);
            FeatureDescriptor d = jar != null ? jar.descriptor()
                    : new FeatureDescriptor(f, e.version(), "", "", List.of(), List.of(), List.of(), List.of(), FeatureDescriptor.Disable.NEVER, List.of(), List.of(), false);
            all.add(new FeatureStatus(d, state, s.at, detail[0], e.digest(), e.earlier().stream().map(Record.Earlier::version).toList()));
        });
        return all;
    }

    @Override
    public Optional<FeatureStatus> get(String name) {
        return list().stream().filter(s -> s.descriptor().name().equals(name)).findFirst();
    }

    @Override
    public List<String> missingForAdd() {
        if (!begun) {
            return List.of("the agent is starting");
        }
        return list().stream().filter(s -> s.descriptor().onAddPath() && s.state() != State.DISABLED && s.state() != State.RUNNING && !isDispensable(s))
                .map(s -> s.descriptor().name() + " is " + s.state() + (s.detail().isEmpty() ? "" : ": " + s.detail())).toList();
    }

    @Override
    public List<FeatureDescriptor> addable() {
        List<FeatureDescriptor> all = new ArrayList<>();
        try {
            for (String f : repository.names()) {
                if (!features.record().features().containsKey(f)) {
                    all.add(repository.descriptor(f));
                }
            }
        } catch (IOException | RuntimeException e) {
            LOG.warn("what the distribution has can't be read: {}", e.getMessage());
        }
        return all;
    }

    /** What the kernel will never have is done without, unless it is what keeps the node closed or what all others stand on. */
    private static boolean isDispensable(FeatureStatus s) {
        FeatureDescriptor.Disable how = s.descriptor().disable();
        return s.state() == State.UNAVAILABLE && how != FeatureDescriptor.Disable.OVERRIDE && how != FeatureDescriptor.Disable.NEVER;
    }

    private State state(String f, Record.Entry e, String[] detail) {
        if (e.desired() == Desired.DISABLED) {
            return State.DISABLED;
        }
        Optional<String> lacking = Optional.ofNullable(features.jars().get(f)).flatMap(features::missingOfKernel);
        if (lacking.isPresent()) {
            detail[0] = lacking.get();
            return State.UNAVAILABLE;
        }
        if (features.failed().containsKey(f)) {
            detail[0] = features.failed().get(f);
            return State.FAILED;
        }
        if (!bundles.active(f)) {
            detail[0] = bundles.state(f) + "; 'feature enable " + f + "' brings it back";
            return State.FROZEN;
        }
        if (!sameVersion(bundles.version(f), e.version())) {
            detail[0] = "its bundle was updated by hand to " + bundles.version(f) + ", its datapath is that of " + e.version() + "; run 'feature update' with the jar, or 'feature enable " + f + "' to go back";
            return State.FROZEN;
        }
        Permit permit = permits.get(f);
        if (permit != null && permit.failure() != null) {
            detail[0] = permit.failure();
            return State.FAILED;
        }
        if (e.desired() == Desired.DRAINING) {
            return State.DRAINING;
        }
        if (!permits.isReady(f)) {
            String broken = bundles.activationFailure(f);
            detail[0] = broken != null ? broken : bundles.waitingFor(f);
            return broken != null ? State.FAILED : State.STARTING;
        }
        return State.RUNNING;
    }

    /** Of a bundle that is not there the version is empty. */
    static boolean sameVersion(String a, String b) {
        return a.isEmpty() || Version.parseVersion(a).equals(Version.parseVersion(b));
    }
}
