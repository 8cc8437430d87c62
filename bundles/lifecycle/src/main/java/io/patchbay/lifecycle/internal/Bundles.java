package io.patchbay.lifecycle.internal;

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Enumeration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.wiring.FrameworkWiring;
import org.osgi.service.component.runtime.ServiceComponentRuntime;
import org.osgi.service.component.runtime.dto.ComponentConfigurationDTO;
import org.osgi.service.component.runtime.dto.ComponentDescriptionDTO;
import org.osgi.service.component.runtime.dto.UnsatisfiedReferenceDTO;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The bundles of features, which follow the record. */
class Bundles {
    private static final Logger LOG = LoggerFactory.getLogger(Bundles.class);

    private final BundleContext context;
    private final ServiceComponentRuntime components;
    /** By feature name; those that somebody uninstalled are no longer in it. */
    private final Map<String, Bundle> installed = new ConcurrentHashMap<>();

    Bundles(BundleContext context, ServiceComponentRuntime components) {
        this.context = context;
        this.components = components;
    }

    /**
     * Whether the jars would resolve, all together, on this node as it is. Installs them beside, and takes them away again.
     *
     * @throws IllegalArgumentException with the framework's reason
     */
    void probe(List<FeatureJar> jars) throws IOException {
        List<Bundle> staged = new ArrayList<>();
        try {
            for (FeatureJar j : jars) {
                try (InputStream in = new BufferedInputStream(Files.newInputStream(j.jar()))) {
                    staged.add(context.installBundle("patchbay-staging:" + j.digest(), in));
                }
            }
            context.getBundle(Constants.SYSTEM_BUNDLE_LOCATION).adapt(FrameworkWiring.class).resolveBundles(staged);
            for (int i = 0; i < staged.size(); i++) {
                if (staged.get(i).getState() == Bundle.INSTALLED) {
                    // Not resolvable, so that this runs nothing: it is how the framework tells the reason.
                    try {
                        staged.get(i).start(Bundle.START_TRANSIENT);
                        staged.get(i).stop(Bundle.STOP_TRANSIENT);
                    } catch (BundleException e) {
                        throw new IllegalArgumentException(jars.get(i).name() + " " + jars.get(i).version() + " does not resolve here: " + e.getMessage(), e);
                    }
                }
            }
        } catch (BundleException e) {
            throw new IllegalArgumentException("can't be installed: " + e.getMessage(), e);
        } finally {
            for (Bundle b : staged) {
                try {
                    b.uninstall();
                } catch (BundleException | IllegalStateException e) {
                    LOG.warn("Staging bundle {} stays: {}", b.getLocation(), e.toString());
                }
            }
        }
    }

    /** A jar of what a bundle consists of now; the same for the same content. */
    static InputStream content(Bundle bundle) throws IOException {
        List<String> paths = new ArrayList<>();
        for (Enumeration<URL> e = bundle.findEntries("/", "*", true); e != null && e.hasMoreElements();) {
            String path = e.nextElement().getPath().substring(1);
            if (!path.endsWith("/") && !path.equals(JarFile.MANIFEST_NAME)) {
                paths.add(path);
            }
        }
        paths.sort(null);
        paths.add(0, JarFile.MANIFEST_NAME);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream out = new ZipOutputStream(bytes)) {
            for (String path : paths) {
                URL url = bundle.getEntry(path);
                if (url == null) {
                    throw new IOException(path + " of the bundle can't be read");
                }
                ZipEntry entry = new ZipEntry(path);
                entry.setTime(0);
                out.putNextEntry(entry);
                try (InputStream in = url.openStream()) {
                    in.transferTo(out);
                }
            }
        }
        return new ByteArrayInputStream(bytes.toByteArray());
    }

    /** Installs a bundle that features need and that is none itself; nothing happens when it is there. */
    void library(Repository.Item item) throws BundleException {
        String location = "reference:" + item.jar().toUri();
        Bundle b = context.installBundle(location);
        if (b.getHeaders("").get(Constants.FRAGMENT_HOST) == null) {
            b.start();
        }
    }

    /** Bundles that a feature needs and the core doesn't, on a node whose distribution lacks the feature. */
    void libraries(String feature, Repository repository) throws IOException, BundleException {
        if (repository.names().contains(feature)) {
            for (Repository.Item item : repository.of(feature)) {
                if (item.feature() == null) {
                    library(item);
                }
            }
        }
    }

    /** Installs or updates in place. The bundle isn't started when it wasn't. */
    void bring(FeatureJar jar) throws BundleException, IOException {
        Bundle b = installed.get(jar.name());
        if (b == null || b.getState() == Bundle.UNINSTALLED) {
            b = context.installBundle("reference:" + jar.jar().toUri());
            installed.put(jar.name(), b);
            return;
        }
        try (InputStream in = new BufferedInputStream(Files.newInputStream(jar.jar()))) {
            b.update(in);
        }
    }

    void start(String feature) throws BundleException {
        Bundle b = installed.get(feature);
        if (b != null && b.getState() != Bundle.UNINSTALLED && b.getState() != Bundle.ACTIVE) {
            b.start();
        }
    }

    /** Takes away what an undone change had installed. */
    void remove(String feature) {
        Bundle b = installed.remove(feature);
        if (b != null && b.getState() != Bundle.UNINSTALLED) {
            try {
                b.uninstall();
            } catch (BundleException e) {
                LOG.warn("Bundle of {} stays: {}", feature, e.toString());
            }
        }
    }

    boolean has(String feature) {
        Bundle b = installed.get(feature);
        return b != null && b.getState() != Bundle.UNINSTALLED;
    }

    boolean active(String feature) {
        Bundle b = installed.get(feature);
        return b != null && b.getState() == Bundle.ACTIVE;
    }

    /** Why the bundle does not run: {@code stopped}, {@code uninstalled}. */
    String state(String feature) {
        Bundle b = installed.get(feature);
        if (b == null || b.getState() == Bundle.UNINSTALLED) {
            return "its bundle is not installed";
        }
        return switch (b.getState()) {
            case Bundle.INSTALLED -> "its bundle does not resolve";
            case Bundle.RESOLVED -> "its bundle is stopped";
            case Bundle.STARTING -> "its bundle is starting";
            case Bundle.STOPPING -> "its bundle is stopping";
            default -> "";
        };
    }

    /** The feature whose bundle this is; null: none. */
    String featureOf(Bundle bundle) {
        return installed.entrySet().stream().filter(e -> e.getValue().equals(bundle)).map(Map.Entry::getKey).findFirst().orElse(null);
    }

    /** Version of the code that is installed. */
    String version(String feature) {
        Bundle b = installed.get(feature);
        return b == null ? "" : b.getVersion().toString();
    }

    /** The reason why an activation has failed; null: none has. */
    String activationFailure(String feature) {
        return components(feature, true);
    }

    /** What the feature's components wait for; "" when for nothing that is known. */
    String waitingFor(String feature) {
        String w = components(feature, false);
        return w == null ? "" : w;
    }

    private String components(String feature, boolean failures) {
        Bundle b = installed.get(feature);
        if (b == null || components == null) {
            return null;
        }
        List<String> all = new ArrayList<>();
        for (ComponentDescriptionDTO d : components.getComponentDescriptionDTOs(b)) {
            String component = d.name.substring(d.name.lastIndexOf('.') + 1);
            for (ComponentConfigurationDTO c : components.getComponentConfigurationDTOs(d)) {
                if (failures && c.state == ComponentConfigurationDTO.FAILED_ACTIVATION) {
                    String first = c.failure == null ? "" : c.failure.lines().findFirst().orElse("");
                    String cause = c.failure == null ? "" : c.failure.lines().filter(l -> l.startsWith("Caused by: ")).reduce((x, y) -> y).orElse("");
                    return component + ": " + (cause.isEmpty() ? first : cause.substring("Caused by: ".length()));
                }
                if (!failures && c.state == ComponentConfigurationDTO.UNSATISFIED_REFERENCE) {
                    for (UnsatisfiedReferenceDTO u : c.unsatisfiedReferences) {
                        all.add(component + " waits for " + serviceOf(d, u.name));
                    }
                }
            }
        }
        return all.isEmpty() ? null : String.join(", ", all);
    }

    private static String serviceOf(ComponentDescriptionDTO component, String reference) {
        return Arrays.stream(component.references).filter(r -> r.name.equals(reference))
                .map(r -> r.interfaceName.substring(r.interfaceName.lastIndexOf('.') + 1) + (r.target == null ? "" : " " + r.target))
                .findFirst().orElse(reference);
    }
}
