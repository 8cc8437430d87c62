package io.patchbay.servicelb.internal;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Looks for the rules that kube-proxy leaves in the agent's network namespace, in iptables (legacy and nft) and nftables. */
final class KubeProxyProbe {
    private static final long SECONDS = 5;
    private static final int MOST = 16 * 1024 * 1024;

    private KubeProxyProbe() {
    }

    /** What was found, for people; empty: nothing. */
    static String look() {
        StringBuilder found = new StringBuilder();
        for (String save : List.of("iptables-legacy-save", "iptables-nft-save", "ip6tables-legacy-save", "ip6tables-nft-save")) {
            long chains = output(save, "-t", "nat").lines().filter(KubeProxyProbe::isServiceChain).count();
            if (chains > 0) add(found, chains + " KUBE-SVC chains in " + save.replace("-save", ""));
        }
        if (output("nft", "list", "tables").lines().anyMatch(l -> l.trim().endsWith(" kube-proxy"))) add(found, "table kube-proxy in nftables");
        return found.toString();
    }

    /** A declaration of a chain that kube-proxy has for a service, or of its entry. */
    static boolean isServiceChain(String line) {
        return line.startsWith(":KUBE-SVC-") || line.startsWith(":KUBE-SERVICES ");
    }

    private static void add(StringBuilder to, String text) {
        to.append(to.length() == 0 ? "" : ", ").append(text);
    }

    /** Empty when there is no such program or it fails: then it has left no rules either. */
    private static String output(String... command) {
        Process process;
        try {
            process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        } catch (IOException e) {
            return "";
        }
        try (InputStream in = process.getInputStream()) {
            process.getOutputStream().close();
            String text = new String(in.readNBytes(MOST), StandardCharsets.UTF_8);
            if (!process.waitFor(SECONDS, TimeUnit.SECONDS)) process.destroyForcibly();
            return text;
        } catch (IOException e) {
            return "";
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
            return "";
        }
    }
}
