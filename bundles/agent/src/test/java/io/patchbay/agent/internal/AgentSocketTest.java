package io.patchbay.agent.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cni.CniHandler;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.api.feature.Features;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Over a real socket; tagged root because the agent answers root alone. */
@Tag("root")
@Timeout(20)
class AgentSocketTest {
    @TempDir
    Path dir;
    private Path run;
    private final CommandRegistry registry = new CommandRegistry();
    private AgentSocket agent;

    @BeforeEach
    void start() throws IOException {
        run = dir.resolve("run");
        agent = new AgentSocket(registry, run);
    }

    @AfterEach
    void stop() throws IOException {
        agent.close();
    }

    private record Answer(String out, String err, int exit) {
    }

    private static ShellCommand command(String name, Body body) {
        return new ShellCommand() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public String summary() {
                return "about " + name;
            }

            @Override
            public List<String> help() {
                return List.of("Usage: " + name);
            }

            @Override
            public int run(ShellContext c) throws Exception {
                return body.run(c);
            }
        };
    }

    private interface Body {
        int run(ShellContext c) throws Exception;
    }

    private SocketChannel connect() throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(run.resolve("agent.sock")));
    }

    private static Frames frames(SocketChannel c) {
        return new Frames(SocketStreams.input(c), SocketStreams.output(c));
    }

    private static byte[] utf8(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    private Answer ask(String stdin, String... words) throws IOException {
        try (SocketChannel c = connect()) {
            Frames f = frames(c);
            f.write('V', (byte) 1);
            f.write('K', utf8("cli"));
            for (String w : words) {
                f.write('A', utf8(w));
            }
            f.write('S');
            StringBuilder out = new StringBuilder();
            StringBuilder err = new StringBuilder();
            for (;;) {
                Frames.Frame a = f.read();
                switch (a.type()) {
                    case 'O' -> out.append(new String(a.payload(), StandardCharsets.UTF_8));
                    case 'R' -> err.append(new String(a.payload(), StandardCharsets.UTF_8));
                    case 'N' -> {
                        f.write('I', utf8(stdin));
                        f.write('Z');
                    }
                    case 'X' -> {
                        return new Answer(out.toString(), err.toString(), a.payload()[0]);
                    }
                    default -> { }
                }
            }
        }
    }

    @Test
    void runsTheLongestNameAndPassesTheRest() throws IOException {
        registry.add(command("service", c -> 7));
        registry.add(command("service list", c -> {
            c.out().println(c.arguments());
            return 0;
        }));
        assertEquals(new Answer("[-o, json]\n", "", 0), ask("", "service", "list", "-o", "json"));
    }

    @Test
    void wrongUsageIsTwoAndShowsTheUsage() throws IOException {
        registry.add(command("status", c -> {
            throw new UsageException("unknown option --x");
        }));
        assertEquals(new Answer("", "patchbay status: unknown option --x\nUsage: status\n", 2), ask("", "status", "--x"));
    }

    @Test
    void aFailureIsOneLine() throws IOException {
        registry.add(command("status", c -> {
            throw new IllegalStateException("the map ct4 is gone: patchbay datapath show");
        }));
        assertEquals(new Answer("", "patchbay status: the map ct4 is gone: patchbay datapath show\n", 1), ask("", "status"));
    }

    @Test
    void unknownCommandsAreTwo() throws IOException {
        assertEquals(new Answer("", "patchbay: 'status' has no answer: the agent's core is not up; it is starting, or its log says why it can't\n", 1), ask("", "status"));
        registry.features = new Features() {
            @Override
            public List<FeatureStatus> list() {
                return List.of();
            }

            @Override
            public Optional<FeatureStatus> get(String name) {
                return Optional.empty();
            }

            @Override
            public List<String> missingForAdd() {
                return List.of();
            }

            @Override
            public List<FeatureDescriptor> addable() {
                return List.of(new FeatureDescriptor("hubble", "1.0.0", "", "", List.of(), List.of(), List.of(), List.of(), FeatureDescriptor.Disable.INSTANT, List.of(),
                        List.of("hubble observe"), false));
            }
        };
        assertEquals(2, ask("", "nonsense").exit());
        Answer add = new Answer("", "patchbay: 'hubble observe' is a command of the feature hubble, which this node has not: patchbay feature add hubble\n", 2);
        assertEquals(add, ask("", "hubble", "observe", "--last", "5"));
        assertEquals(add, ask("", "hubble"));
    }

    @Test
    void inputIsAskedForOnlyWhenRead() throws IOException {
        registry.add(command("apply", c -> {
            c.out().print(new String(c.in().readAllBytes(), StandardCharsets.UTF_8));
            return 0;
        }));
        assertEquals(new Answer("kind: Pod", "", 0), ask("kind: Pod", "apply"));
    }

    @Test
    void aLargeAnswerArrivesWhole() throws IOException {
        String line = "x".repeat(1000);
        registry.add(command("dump", c -> {
            for (int i = 0; i < 5000; i++) {
                c.out().println(line);
            }
            return 0;
        }));
        assertEquals(5000L * 1001, ask("", "dump").out().length());
    }

    @Test
    void aCommandLearnsThatItsCallerWent() throws Exception {
        CountDownLatch gone = new CountDownLatch(1);
        CountDownLatch running = new CountDownLatch(1);
        registry.add(command("follow", c -> {
            c.onCancel(gone::countDown);
            running.countDown();
            gone.await();
            return 0;
        }));
        try (SocketChannel c = connect()) {
            Frames f = frames(c);
            f.write('V', (byte) 1);
            f.write('K', utf8("cli"));
            f.write('A', utf8("follow"));
            f.write('S');
            assertTrue(running.await(5, TimeUnit.SECONDS));
        }
        assertTrue(gone.await(5, TimeUnit.SECONDS));
    }

    @Test
    void anOversizedFrameEndsTheConnectionAndNothingElse() throws IOException {
        try (SocketChannel c = connect()) {
            c.write(ByteBuffer.wrap(new byte[] {127, 0, 0, 0}));
            assertEquals(-1, c.read(ByteBuffer.allocate(1)));
        }
        registry.add(command("status", c -> 0));
        assertEquals(0, ask("", "status").exit());
    }

    /** On a machine that has no thread left for one client, the next is served all the same. */
    @Test
    void aConnectionThatCanNotBeServedIsNotTheLast() throws IOException {
        AtomicInteger calls = new AtomicInteger();
        ExecutorService threads = new ThreadPoolExecutor(0, 8, 1, TimeUnit.SECONDS, new SynchronousQueue<>()) {
            @Override
            public void execute(Runnable session) {
                if (calls.incrementAndGet() == 1) {
                    throw new OutOfMemoryError("unable to create native thread");
                }
                super.execute(session);
            }
        };
        agent.close();
        agent = new AgentSocket(registry, run, threads);
        registry.add(command("status", c -> 0));
        try (SocketChannel c = connect()) {
            assertEquals(-1, c.read(ByteBuffer.allocate(1)), "it learns that it gets no answer");
        }
        assertEquals(0, ask("", "status").exit());
    }

    @Test
    void cniWithoutItsFeatureIsTryAgainLater() throws IOException {
        try (SocketChannel c = connect()) {
            Frames f = frames(c);
            f.write('V', (byte) 1);
            f.write('K', utf8("cni"));
            f.write('E', utf8("CNI_COMMAND=ADD"));
            f.write('S');
            f.write('I', utf8("{}"));
            f.write('Z');
            Frames.Frame out = f.read();
            assertTrue(new String(out.payload(), StandardCharsets.UTF_8).contains("\"code\":11"));
            assertEquals(1, f.read().payload()[0]);
        }
    }

    @Test
    void queuedDeletionsAreHandledWhenTheFeatureComes() throws Exception {
        Path queue = run.resolve("cni-del");
        Files.createDirectories(queue);
        Files.writeString(queue.resolve("00000000000000000001-7"), "CNI_COMMAND=DEL\nCNI_CONTAINERID=abc\n\n{\"x\":1}");
        List<String> seen = new ArrayList<>();
        CountDownLatch done = new CountDownLatch(1);
        agent.setCni((Map<String, String> env, byte[] stdin) -> {
            seen.add(env.get("CNI_CONTAINERID") + " " + new String(stdin, StandardCharsets.UTF_8));
            done.countDown();
            return new CniHandler.Result(0, "");
        });
        assertTrue(done.await(5, TimeUnit.SECONDS));
        assertEquals(List.of("abc {\"x\":1}"), seen);
    }

    @Test
    void theDirectoryIsRootsAlone() throws IOException {
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(run)));
    }
}
