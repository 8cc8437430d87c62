package io.patchbay.hubble.internal;

import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.Flow.Peer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Which flows are wanted, as the hubble CLI asks for them: values of one criterion are alternatives, criteria must all hold. Criteria that
 * concern either end must hold for the same end: {@code --pod a --port 80} is a flow from a:80 or one to a:80. What follows a
 * {@code --not} forms a filter of its own, whose flows are left out.
 */
final class FlowFilter implements Predicate<Flow> {
    /** Which end a criterion concerns; WHOLE: the flow. */
    enum Side { SOURCE, DESTINATION, EITHER, WHOLE }

    /** Criteria of one filter; mutable while it is built. */
    static final class Criteria {
        private final Map<String, List<Predicate<Peer>>> source = new LinkedHashMap<>();
        private final Map<String, List<Predicate<Peer>>> destination = new LinkedHashMap<>();
        private final Map<String, List<Predicate<Peer>>> either = new LinkedHashMap<>();
        private final Map<String, List<Predicate<Flow>>> whole = new LinkedHashMap<>();

        /** @param name the criterion's: values under one name are alternatives */
        void peer(String name, Side side, Predicate<Peer> wanted) {
            Map<String, List<Predicate<Peer>>> map = side == Side.SOURCE ? source : side == Side.DESTINATION ? destination : either;
            map.computeIfAbsent(name, k -> new ArrayList<>()).add(wanted);
        }

        void flow(String name, Predicate<Flow> wanted) {
            whole.computeIfAbsent(name, k -> new ArrayList<>()).add(wanted);
        }

        boolean isEmpty() {
            return source.isEmpty() && destination.isEmpty() && either.isEmpty() && whole.isEmpty();
        }

        boolean matches(Flow f) {
            return all(whole, f) && all(source, f.source()) && all(destination, f.destination())
                    && (all(either, f.source()) || all(either, f.destination()));
        }

        private static <T> boolean all(Map<String, List<Predicate<T>>> criteria, T t) {
            for (List<Predicate<T>> alternatives : criteria.values()) {
                boolean any = false;
                for (Predicate<T> p : alternatives) any |= p.test(t);
                if (!any) return false;
            }
            return true;
        }
    }

    private final Criteria wanted;
    private final Criteria unwanted;

    FlowFilter(Criteria wanted, Criteria unwanted) {
        this.wanted = wanted;
        this.unwanted = unwanted;
    }

    @Override
    public boolean test(Flow f) {
        return wanted.matches(f) && (unwanted.isEmpty() || !unwanted.matches(f));
    }
}
