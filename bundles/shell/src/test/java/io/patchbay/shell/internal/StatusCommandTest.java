package io.patchbay.shell.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.feature.Features;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.status.Controllers;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class StatusCommandTest {
    private final List<Controllers.State> controllers = new ArrayList<>();
    private final StatusCommand status = new StatusCommand(null, fake(Features.class, Map.of("list", List.of(), "missingForAdd", List.of(), "get", Optional.empty())),
            fake(Controllers.class, Map.of("list", controllers)));

    private record Answer(int exit, String out) {
    }

    @SuppressWarnings("unchecked")
    private static <T> T fake(Class<T> type, Map<String, Object> answers) {
        return (T) Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, args) -> answers.get(method.getName()));
    }

    private Answer ask(String... words) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int exit;
        try (PrintStream print = new PrintStream(out, true, StandardCharsets.UTF_8)) {
            exit = status.run(fake(ShellContext.class, Map.of("arguments", List.of(words), "out", print)));
        }
        return new Answer(exit, out.toString(StandardCharsets.UTF_8));
    }

    @Test
    void briefIsWhatCiliumsIs() throws Exception {
        controllers.add(new Controllers.State("sync-services", Instant.now(), null, 0, ""));
        assertEquals(new Answer(0, "OK\n"), ask("--brief"));
        controllers.add(new Controllers.State("vxlan-device", null, Instant.now(), 3, "pb_vxlan is in the way"));
        assertEquals(new Answer(0, "error in controller vxlan-device: pb_vxlan is in the way\n"), ask("--brief"));
        Answer all = ask();
        assertEquals(0, all.exit);
        assertTrue(all.out.contains("1/2 healthy") && all.out.contains("  vxlan-device"), all.out);
        StatusSource unwell = verbose -> List.of(new StatusRow(StatusRow.Order.IPAM, "IPAM", List.of("exhausted"), List.of(), false, Map.of()));
        status.addSource(unwell);
        assertEquals(new Answer(1, "error in IPAM: exhausted\n"), ask("--brief"), "a row comes before controllers");
        assertEquals(1, ask().exit);
    }
}
