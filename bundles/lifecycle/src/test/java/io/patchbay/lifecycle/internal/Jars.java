package io.patchbay.lifecycle.internal;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;

/** Feature jars as bytes. */
final class Jars {
    private Jars() {
    }

    static byte[] jar(String name, String version, String more) {
        return jar(name, version, "{\"name\":\"" + name + "\",\"version\":\"" + version + "\",\"summary\":\"test\",\"datapathAbi\":\"[1.0,2)\","
                + "\"stages\":[{\"object\":\"bpf/x.o\",\"program\":\"p\",\"hook\":\"pod-egress\",\"order\":500}]" + more + "}", version);
    }

    private static byte[] jar(String name, String version, String descriptor, String marker) {
        try {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            Manifest m = new Manifest();
            m.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
            m.getMainAttributes().putValue("Bundle-SymbolicName", "io.patchbay." + name);
            m.getMainAttributes().putValue("Bundle-Version", version);
            m.getMainAttributes().putValue("Service-Component", "OSGI-INF/x.xml");
            try (JarOutputStream out = new JarOutputStream(bytes, m)) {
                out.putNextEntry(new JarEntry(Descriptors.ENTRY));
                out.write(descriptor.getBytes(StandardCharsets.UTF_8));
                out.putNextEntry(new JarEntry("bpf/x.o"));
                out.write(("object of " + name + " " + marker).getBytes(StandardCharsets.UTF_8));
            }
            return bytes.toByteArray();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
