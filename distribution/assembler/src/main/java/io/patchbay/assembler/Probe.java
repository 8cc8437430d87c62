package io.patchbay.assembler;

import aQute.bnd.osgi.resource.CapReqBuilder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.felix.framework.FrameworkFactory;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.launch.Framework;
import org.osgi.framework.wiring.FrameworkWiring;
import org.osgi.framework.wiring.BundleRevision;
import org.osgi.resource.Capability;

/** Asks Felix itself: what the platform provides, and whether a set resolves. */
final class Probe {
    /** As the launcher exports it. */
    static final String EXTRA = "org.slf4j;version=2.0.20,org.slf4j.spi;version=2.0.20,org.slf4j.event;version=2.0.20,org.slf4j.helpers;version=2.0.20";

    private List<Capability> platform;

    List<Capability> platform() {
        if (platform == null) {
            List<Capability> found = new ArrayList<>();
            with(f -> {
                for (Capability c : f.adapt(BundleRevision.class).getCapabilities(null)) {
                    found.add(new CapReqBuilder(c.getNamespace()).addAttributes(c.getAttributes()).addDirectives(c.getDirectives()).buildSyntheticCapability());
                }
            });
            platform = List.copyOf(found);
        }
        return platform;
    }

    /** One line a bundle that Felix can't resolve, with its reason. */
    List<String> unresolved(List<Candidate> set) {
        List<String> problems = new ArrayList<>();
        with(f -> {
            List<Bundle> installed = new ArrayList<>();
            for (Candidate c : set) {
                installed.add(f.getBundleContext().installBundle("reference:" + c.jar().toUri()));
            }
            f.adapt(FrameworkWiring.class).resolveBundles(installed);
            for (Bundle b : installed) {
                if (b.getState() == Bundle.INSTALLED) {
                    try {
                        b.start();
                    } catch (BundleException e) {
                        problems.add(e.getMessage());
                    }
                }
            }
        });
        return problems;
    }

    private interface Work {
        void run(Framework framework) throws BundleException;
    }

    private static void with(Work work) {
        try {
            Path cache = Files.createTempDirectory("patchbay-assembler");
            Framework f = new FrameworkFactory().newFramework(Map.of(Constants.FRAMEWORK_STORAGE, cache.toString(),
                    Constants.FRAMEWORK_SYSTEMPACKAGES_EXTRA, EXTRA, "felix.log.level", "0"));
            f.init();
            try {
                work.run(f);
            } finally {
                f.stop();
                f.waitForStop(10_000);
                try (Stream<Path> walk = Files.walk(cache)) {
                    for (Path p : walk.sorted(Comparator.reverseOrder()).toList()) {
                        Files.delete(p);
                    }
                }
            }
        } catch (Exception e) {
            throw new IllegalStateException("Felix does not start: " + e, e);
        }
    }
}
