package io.patchbay.policy.internal.table;

import io.patchbay.policy.internal.model.RuleOrigin;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Numbers for rules, as they stand in table entries and events. A number is never given to another rule as long as this object lives, so that an
 * event read late still names the right one. 0 means no rule. Thread-safe.
 */
public final class Cookies {
    /** {@link RuleOrigin#LOCALHOST}. */
    public static final int LOCALHOST = 1;

    private final Map<RuleOrigin, Integer> numbers = new HashMap<>();
    private final List<RuleOrigin> origins = new ArrayList<>();
    private final int skip;

    public Cookies() {
        this(LOCALHOST);
    }

    /** @param last the highest number that may still stand in tables and events of an earlier run: none of those is given again */
    public Cookies(int last) {
        this.skip = Math.max(0, last - LOCALHOST);
        numbers.put(RuleOrigin.LOCALHOST, LOCALHOST);
        origins.add(RuleOrigin.LOCALHOST);
    }

    public synchronized int of(RuleOrigin origin) {
        return numbers.computeIfAbsent(origin, o -> {
            origins.add(o);
            return origins.size() + skip;
        });
    }

    public synchronized Optional<RuleOrigin> origin(int cookie) {
        int at = cookie == LOCALHOST ? 0 : cookie - 1 - skip;
        return at < 0 || at >= origins.size() || at == 0 && cookie != LOCALHOST ? Optional.empty() : Optional.of(origins.get(at));
    }
}
