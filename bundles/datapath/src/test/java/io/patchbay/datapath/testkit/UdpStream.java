package io.patchbay.datapath.testkit;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Numbered UDP packets from one pod to another, counted independently of the datapath. */
public final class UdpStream implements AutoCloseable {
    /** @param fin whether the receiver learned the total: without it the other figures mean nothing */
    public record Result(boolean fin, long sent, long received, long lost, long dup, long reordered, long gapMicros) {
    }

    private final Process receiver;
    private final BufferedReader output;
    private final Process sender;

    private UdpStream(Process receiver, BufferedReader output, Process sender) {
        this.receiver = receiver;
        this.output = output;
        this.sender = sender;
    }

    public static UdpStream start(Lab lab, Lab.Pod from, Lab.Pod to, int port, int packetsPerSecond) throws IOException {
        String tool = Compiled.tool(Compiled.root().resolve(Path.of("bundles/datapath/src/test/c/udpseq.c"))).toString();
        Process r = lab.start(to.netns(), tool, "recv", Integer.toString(port));
        BufferedReader out = new BufferedReader(new InputStreamReader(r.getInputStream()));
        if (!"ready".equals(out.readLine())) {
            throw new IllegalStateException("the receiver did not start");
        }
        Process s = lab.start(from.netns(), tool, "send", to.address(), Integer.toString(port), Integer.toString(packetsPerSecond));
        return new UdpStream(r, out, s);
    }

    /** Ends the stream; the receiver gets up to 5 s to learn how many packets there were. */
    public Result stop() throws IOException, InterruptedException {
        // Through the handle: Process.destroy closes the output that is read next.
        sender.toHandle().destroy();
        if (!sender.waitFor(10, TimeUnit.SECONDS)) {
            throw new IllegalStateException("the sender does not end");
        }
        long sent = number(new String(sender.getInputStream().readAllBytes()), "sent");
        if (!receiver.waitFor(5, TimeUnit.SECONDS)) {
            receiver.toHandle().destroy();
        }
        String line = output.readLine();
        return new Result(number(line, "fin") == 1, sent, number(line, "received"), sent - number(line, "received"), number(line, "dup"),
                number(line, "reordered"), number(line, "gap_us"));
    }

    /** Ends both sides without a result. */
    @Override
    public void close() {
        Lab.end(sender);
        Lab.end(receiver);
    }

    private static long number(String json, String name) {
        Matcher m = Pattern.compile("\"" + name + "\":(-?\\d+)").matcher(json);
        if (!m.find()) {
            throw new IllegalStateException("no " + name + " in " + json);
        }
        return Long.parseLong(m.group(1));
    }
}
