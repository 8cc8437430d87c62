package io.patchbay.launcher;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.felix.framework.FrameworkFactory;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.FrameworkEvent;
import org.osgi.framework.launch.Framework;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Starts Felix with the core bundles of a distribution and waits for its end. Features are installed by the lifecycle
 * bundle, from the node's record. Exit status: 0 stopped, 1 the state directory can't be used or another agent uses it,
 * 2 wrong usage, 3 a core bundle does not resolve or start.
 */
public final class Main {
    /** Inclusive: an agent that can't stop its bundles within this time ends all the same; the datapath needs none of them. */
    private static final long STOP_MILLIS = 10_000;

    private Main() {
    }

    public static void main(String[] args) throws Exception {
        // The stub compiler passes garbage in the sixth integer argument; must be set before the first native library is loaded.
        System.setProperty("jnr.ffi.x86asm.enabled", "false");
        if (List.of(args).contains("--help") || List.of(args).contains("-h")) {
            Arguments.USAGE.forEach(System.out::println);
            return;
        }
        Arguments a;
        try {
            a = Arguments.parse(args, System.getenv());
        } catch (IllegalArgumentException e) {
            System.err.println("patchbay-agent: " + e.getMessage());
            Arguments.USAGE.forEach(System.err::println);
            System.exit(2);
            return;
        }
        System.setProperty(Logging.LEVEL, a.logLevel());
        FileLock lock;
        try {
            lock = prepare(a);
        } catch (IOException e) {
            System.err.println("patchbay-agent: " + e.getMessage());
            System.exit(1);
            return;
        }
        System.exit(run(a, lock));
    }

    /** Directories, and the lock that keeps a second agent from wiping the cache of the first. */
    private static FileLock prepare(Arguments a) throws IOException {
        for (Path dir : List.of(a.stateDir(), a.runDir())) {
            try {
                Files.createDirectories(dir);
                Files.setPosixFilePermissions(dir, PosixFilePermissions.fromString("rwx------"));
            } catch (IOException e) {
                throw new IOException("can't use the directory " + dir + ": " + e + "; run as root, or name another", e);
            }
        }
        Path file = a.stateDir().resolve("launch.lock");
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        FileLock lock = channel.tryLock();
        if (lock == null) {
            throw new IOException("another agent (pid " + Files.readString(file).strip() + ") uses the state directory " + a.stateDir()
                    + "; stop it, or give this one --state-dir, --pin-dir and --run-dir of its own");
        }
        channel.truncate(0);
        channel.write(StandardCharsets.US_ASCII.encode(ProcessHandle.current().pid() + "\n"));
        return lock;
    }

    private static int run(Arguments a, FileLock lock) throws InterruptedException {
        Logger log = LoggerFactory.getLogger(Main.class);
        Framework framework = new FrameworkFactory().newFramework(properties(a));
        try {
            framework.init();
            Thread hook = new Thread(() -> stop(framework, log), "stop");
            Runtime.getRuntime().addShutdownHook(hook);
            List<Bundle> core = install(framework, a.distribution());
            framework.start();
            int failed = start(core, log);
            if (failed > 0) {
                log.error("{} core bundles did not start; the datapath stays as it is", failed);
                return 3;
            }
            log.info("Core started: {} bundles, {} ms after the JVM", core.size(),
                    java.lang.management.ManagementFactory.getRuntimeMXBean().getUptime());
            FrameworkEvent end;
            do {
                end = framework.waitForStop(0);
            } while (end.getType() == FrameworkEvent.WAIT_TIMEDOUT);
            return 0;
        } catch (BundleException | IOException e) {
            log.error("The agent can't start: {}", reason(e));
            return 3;
        } finally {
            try {
                lock.release();
            } catch (IOException e) {
                log.debug("Lock already released", e);
            }
        }
    }

    private static Map<String, String> properties(Arguments a) {
        Map<String, String> p = new HashMap<>();
        p.put(Constants.FRAMEWORK_STORAGE, a.stateDir().resolve("osgi-cache").toString());
        // The record is the truth; with the cache in charge an update is silently lost or drifts.
        p.put(Constants.FRAMEWORK_STORAGE_CLEAN, Constants.FRAMEWORK_STORAGE_CLEAN_ONFIRSTINIT);
        p.put(Constants.FRAMEWORK_SYSTEMPACKAGES_EXTRA, "org.slf4j;version=2.0.20,org.slf4j.spi;version=2.0.20,"
                + "org.slf4j.event;version=2.0.20,org.slf4j.helpers;version=2.0.20");
        p.put("felix.log.level", "1");
        // A version that is probed beside the one in use may have its name and number.
        p.put(Constants.FRAMEWORK_BSNVERSION, Constants.FRAMEWORK_BSNVERSION_MULTIPLE);
        p.put("gosh.args", "--nointeractive --noshutdown");
        p.put("patchbay.state.dir", a.stateDir().toString());
        p.put("patchbay.pin.dir", a.pinDir().toString());
        p.put("patchbay.run.dir", a.runDir().toString());
        p.put("patchbay.node.name", a.nodeName());
        p.put("patchbay.distribution.dir", a.distribution().toString());
        a.set().forEach((k, v) -> p.put("patchbay.set." + k, v));
        // Some read their place from the system properties, where no bundle context is at hand.
        p.forEach((k, v) -> {
            if (k.startsWith("patchbay.")) {
                System.setProperty(k, v);
            }
        });
        return p;
    }

    /** In the order of {@code bundles.list}, by reference: nothing is copied. */
    private static List<Bundle> install(Framework framework, Path distribution) throws IOException, BundleException {
        List<Bundle> installed = new ArrayList<>();
        Path list = distribution.resolve("bundles.list");
        if (!Files.exists(list)) {
            throw new IOException(distribution + " is no distribution: it has no bundles.list");
        }
        for (String line : Files.readAllLines(list)) {
            if (!line.isBlank() && !line.startsWith("#")) {
                Path jar = distribution.resolve(line.strip());
                if (!Files.exists(jar)) {
                    throw new IOException("the distribution is incomplete: " + jar + " is missing; unpack it again");
                }
                installed.add(framework.getBundleContext().installBundle("reference:" + jar.toUri()));
            }
        }
        return installed;
    }

    private static int start(List<Bundle> bundles, Logger log) {
        int failed = 0;
        for (Bundle b : bundles) {
            if (b.getHeaders("").get(Constants.FRAGMENT_HOST) != null) {
                continue;
            }
            try {
                b.start();
            } catch (BundleException e) {
                failed++;
                log.error("Core bundle {} {} does not start: {}", b.getSymbolicName(), b.getVersion(), reason(e));
            }
        }
        return failed;
    }

    private static String reason(Throwable e) {
        StringBuilder s = new StringBuilder(String.valueOf(e.getMessage()));
        for (Throwable c = e.getCause(); c != null; c = c.getCause()) {
            s.append(": ").append(c);
        }
        return s.toString();
    }

    private static void stop(Framework framework, Logger log) {
        try {
            framework.stop();
            if (framework.waitForStop(STOP_MILLIS).getType() == FrameworkEvent.WAIT_TIMEDOUT) {
                log.warn("Bundles did not stop within {} ms; ending without them", STOP_MILLIS);
            }
        } catch (BundleException | InterruptedException e) {
            log.warn("Stopping: {}", e.toString());
        }
    }
}
