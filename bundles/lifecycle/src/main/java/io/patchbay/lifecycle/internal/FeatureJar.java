package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Stage;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.api.feature.FeatureDescriptor.OwnedMap;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
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

    /** @param sizes of maps that have another number of entries than the descriptor says */
    GenerationSpec.Part part(boolean draining, Map<String, Integer> sizes) {
        FeatureDescriptor d = descriptor;
        List<OwnedMap> maps = d.maps().stream().map(m -> sizes.containsKey(m.name()) ? new OwnedMap(m.name(), m.object(), m.schema(), m.migration(), sizes.get(m.name())) : m)
                .toList();
        return new GenerationSpec.Part(new FeatureDescriptor(d.name(), d.version(), d.summary(), d.datapathAbi(), d.stages(), maps, d.uses(), d.kernel(), d.disable(),
                d.requires(), d.commands(), d.onAddPath()), digest, objects, draining);
    }

    /** Maps that the configuration sizes, with their numbers of entries. */
    Map<String, Integer> sizes(Map<String, String> values) {
        Map<String, Integer> sizes = new TreeMap<>();
        config.forEach((key, setting) -> setting.sizes().forEach(map -> sizes.put(map, Integer.valueOf(values.get(key)))));
        return sizes;
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
