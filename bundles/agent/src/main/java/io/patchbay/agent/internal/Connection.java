package io.patchbay.agent.internal;

import io.patchbay.api.cni.CniHandler;
import io.patchbay.api.shell.Commands;
import io.patchbay.api.shell.TerminalContext;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.IntConsumer;
import java.util.function.Supplier;

/**
 * One connection is one command: the header is read, the command runs on the connection's thread, a second thread reads
 * what the client still sends (input, window sizes, signals, its end).
 */
final class Connection {
    private static final int MAX_HEADER = 4096;
    private static final int MAX_CNI_INPUT = 16 << 20;
    private static final byte[] END = new byte[0];

    private final Frames frames;
    private final Commands commands;
    private final Supplier<CniHandler> cni;

    private final List<String> arguments = new ArrayList<>();
    private final Map<String, String> environment = new HashMap<>();
    private final BlockingQueue<byte[]> input = new LinkedBlockingQueue<>();
    private final List<Runnable> onCancel = new CopyOnWriteArrayList<>();
    private volatile IntConsumer onResize = size -> { };
    private volatile boolean cancelled;
    private int window;

    Connection(Frames frames, Commands commands, Supplier<CniHandler> cni) {
        this.frames = frames;
        this.commands = commands;
        this.cni = cni;
    }

    void serve() throws IOException {
        Frames.Frame version = expect('V');
        if (version.payload().length != 1 || version.payload()[0] != 1) {
            error("patchbay: this client speaks protocol version " + (version.payload().length == 1 ? version.payload()[0] : "?")
                    + ", the agent version 1: use the client of the agent's distribution");
            frames.write('X', (byte) 1);
            return;
        }
        String kind = text(expect('K'));
        for (int n = 0;; n++) {
            Frames.Frame f = frames.read();
            if (f == null || n > MAX_HEADER) {
                throw new IOException("a header without end");
            }
            if (f.type() == 'S') {
                break;
            }
            header(f);
        }
        int exit = switch (kind) {
            case "cli" -> cli();
            case "cni" -> cni();
            default -> throw new IOException("kind of request '" + kind + "' is not known");
        };
        frames.write('X', (byte) exit);
    }

    private Frames.Frame expect(char type) throws IOException {
        Frames.Frame f = frames.read();
        if (f == null || f.type() != type) {
            throw new IOException("expected a frame " + type + (f == null ? ", the connection ended" : ", got " + f.type()));
        }
        return f;
    }

    private static String text(Frames.Frame f) {
        return new String(f.payload(), StandardCharsets.UTF_8);
    }

    private void header(Frames.Frame f) {
        switch (f.type()) {
            case 'A' -> arguments.add(text(f));
            case 'E' -> {
                String e = text(f);
                int eq = e.indexOf('=');
                if (eq > 0) {
                    environment.put(e.substring(0, eq), e.substring(eq + 1));
                }
            }
            case 'W' -> resize(f);
            default -> { }
        }
    }

    private void resize(Frames.Frame f) {
        byte[] p = f.payload();
        if (p.length == 4) {
            window = (p[0] & 0xff) << 24 | (p[1] & 0xff) << 16 | (p[2] & 0xff) << 8 | p[3] & 0xff;
            onResize.accept(window);
        }
    }

    private void error(String line) throws IOException {
        frames.write('R', (line + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private int cni() throws IOException {
        ByteArrayOutputStream stdin = new ByteArrayOutputStream();
        for (Frames.Frame f = frames.read(); f == null || f.type() != 'Z'; f = frames.read()) {
            if (f == null || f.type() != 'I' || stdin.size() + f.payload().length > MAX_CNI_INPUT) {
                throw new IOException("CNI input broken off or over " + MAX_CNI_INPUT + " bytes");
            }
            stdin.write(f.payload());
        }
        CniHandler.Result result = CniCalls.handle(cni.get(), environment, stdin.toByteArray());
        frames.write('O', result.stdout().getBytes(StandardCharsets.UTF_8));
        return result.exit();
    }

    private int cli() {
        Thread reader = new Thread(this::readOn, "client-input");
        reader.setDaemon(true);
        reader.start();
        try (PrintStream out = stream('O'); PrintStream err = stream('R')) {
            return commands.run(new Context(out, err));
        }
    }

    /** What comes after the header, until the client goes. */
    private void readOn() {
        try {
            for (Frames.Frame f = frames.read(); f != null; f = frames.read()) {
                switch (f.type()) {
                    case 'I' -> input.add(f.payload());
                    case 'Z' -> input.add(END);
                    case 'W' -> resize(f);
                    case 'G' -> cancel();
                    default -> { }
                }
            }
        } catch (IOException e) {
            // The client went away within a frame: the same as going away.
        }
        cancel();
    }

    private void cancel() {
        cancelled = true;
        input.add(END);
        onCancel.forEach(Runnable::run);
    }

    private PrintStream stream(char type) {
        return new PrintStream(new java.io.BufferedOutputStream(new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                write(new byte[] {(byte) b}, 0, 1);
            }

            @Override
            public void write(byte[] b, int off, int len) throws IOException {
                try {
                    frames.write(type, b, off, len);
                } catch (IOException e) {
                    cancel();
                    throw e;
                }
            }
        }, 8192), false, StandardCharsets.UTF_8) {
            /* Whole lines leave at once for a reader that follows; a listing leaves in blocks. */
            @Override
            public void println(String x) {
                super.println(x);
                if (type == 'R') {
                    flush();
                }
            }
        };
    }

    private final class Context implements TerminalContext {
        private final PrintStream out;
        private final PrintStream err;
        private InputStream in;

        Context(PrintStream out, PrintStream err) {
            this.out = out;
            this.err = err;
        }

        @Override
        public List<String> arguments() {
            return arguments;
        }

        @Override
        public synchronized InputStream in() {
            if (in == null) {
                in = new ClientInput();
            }
            return in;
        }

        @Override
        public PrintStream out() {
            return out;
        }

        @Override
        public PrintStream err() {
            return err;
        }

        @Override
        public Map<String, String> environment() {
            return environment;
        }

        @Override
        public boolean cancelled() {
            return cancelled;
        }

        @Override
        public void onCancel(Runnable action) {
            onCancel.add(action);
            if (cancelled) {
                action.run();
            }
        }

        @Override
        public boolean isTerminal() {
            return window != 0;
        }

        @Override
        public int rows() {
            return window >>> 16;
        }

        @Override
        public int columns() {
            return window & 0xffff;
        }

        @Override
        public void onResize(Runnable action) {
            onResize = size -> action.run();
        }

        @Override
        public void rawMode(boolean on) {
            try {
                frames.write('T', (byte) (on ? 1 : 0));
            } catch (IOException e) {
                cancel();
            }
        }
    }

    /** Asks the client for its input at the first read. */
    private final class ClientInput extends InputStream {
        private byte[] chunk = END;
        private int at;
        private boolean asked;
        private boolean ended;

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int available() {
            return chunk.length - at;
        }

        @Override
        public synchronized int read(byte[] b, int off, int len) throws IOException {
            if (!asked) {
                asked = true;
                frames.write('N');
            }
            if (at == chunk.length && !ended) {
                try {
                    chunk = input.take();
                    at = 0;
                    ended = chunk.length == 0;
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    throw new IOException("interrupted", e);
                }
            }
            if (ended) {
                return -1;
            }
            int n = Math.min(len, chunk.length - at);
            System.arraycopy(chunk, at, b, off, n);
            at += n;
            return n;
        }
    }
}
