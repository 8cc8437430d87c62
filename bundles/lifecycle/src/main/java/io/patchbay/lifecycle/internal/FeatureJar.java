package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Stage;
import io.patchbay.api.feature.FeatureDescriptor;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;
import org.osgi.framework.Constants;
import org.osgi.framework.Version;

/**
 * A feature's jar in the store, with its objects beside it.
 *
 * @param digest     of the jar
 * @param objects    path in the jar to the file in the store
 * @param components whether it has components, of which one must call ready; a feature without any is ready at once
 */
record FeatureJar(String digest, Path jar, String symbolicName, FeatureDescriptor descriptor, Map<String, Setting> config, Map<String, Path> objects,
                  boolean components) {
    /** @param shown the name by which the user knows the jar @throws IllegalArgumentException when it is no feature of this product, and why */
    static FeatureJar read(Store store, String digest, String shown) throws IOException {
        try (JarFile file = new JarFile(store.path(digest).toFile())) {
            if (file.getManifest() == null || file.getManifest().getMainAttributes().getValue(Constants.BUNDLE_SYMBOLICNAME) == null) {
                throw new IllegalArgumentException(shown + " is no bundle: its manifest has no Bundle-SymbolicName");
            }
            Attributes manifest = file.getManifest().getMainAttributes();
            ZipEntry entry = file.getEntry(Descriptors.ENTRY);
            if (entry == null) {
                throw new IllegalArgumentException(shown + " is no feature: it has no " + Descriptors.ENTRY);
            }
            if (manifest.getValue(Constants.EXPORT_PACKAGE) != null) {
                throw new IllegalArgumentException(shown + " exports packages, so that it could not be replaced while others use them; a feature exports nothing");
            }
            Descriptors.Described described = Descriptors.parse(bytes(file, entry), shown);
            FeatureDescriptor d = described.descriptor();
            Version bundle = Version.parseVersion(manifest.getValue(Constants.BUNDLE_VERSION));
            if (!bundle.equals(Version.parseVersion(d.version()))) {
                throw new IllegalArgumentException(shown + ": its manifest has version " + bundle + ", its " + Descriptors.ENTRY + " " + d.version() + "; they must agree");
            }
            Set<String> paths = new LinkedHashSet<>();
            d.stages().stream().map(Stage::object).forEach(paths::add);
            d.maps().forEach(m -> paths.add(m.object()));
            Map<String, Path> objects = new LinkedHashMap<>();
            for (String path : paths) {
                ZipEntry object = file.getEntry(path);
                if (object == null) {
                    throw new IllegalArgumentException(shown + ": its descriptor names " + path + ", which is not in it");
                }
                objects.put(path, store.path(store.put(bytes(file, object))));
            }
            return new FeatureJar(digest, store.path(digest), manifest.getValue(Constants.BUNDLE_SYMBOLICNAME).replaceFirst(";.*", "").strip(), d,
                    described.config(), objects, manifest.getValue("Service-Component") != null);
        }
    }

    GenerationSpec.Part part(boolean draining) {
        return new GenerationSpec.Part(descriptor, digest, objects, draining);
    }

    String name() {
        return descriptor.name();
    }

    String version() {
        return descriptor.version();
    }

    private static byte[] bytes(JarFile file, ZipEntry entry) throws IOException {
        try (InputStream in = file.getInputStream(entry)) {
            return in.readAllBytes();
        }
    }
}
