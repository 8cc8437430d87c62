package io.patchbay.api.cluster.policy;

import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSelector;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * One rule: a subject and what it may and may not exchange. The same shape for all kinds; what a field means depends on the object's kind and is
 * said in docs/features/policy.md. An absent section is {@code Optional.empty()}, a section {@code []} an empty list.
 *
 * @param subjectKind  pods, or nodes (clusterwide policies only)
 * @param subject      as written: the object's namespace isn't in it
 * @param ingress      {@code ingress}
 * @param egress       {@code egress}
 * @param ingressDeny  {@code ingressDeny}; always absent in a NetworkPolicy
 * @param egressDeny   {@code egressDeny}; always absent in a NetworkPolicy
 * @param defaultDeny  {@code enableDefaultDeny}: only the directions that were written; always empty in a NetworkPolicy
 * @param policyTypes  NetworkPolicy's {@code policyTypes} as written; absent in the other kinds
 * @param labels       the rule's own labels
 * @param description  free text, may be empty
 * @param log          {@code log.value}, may be empty: goes into flows
 */
public record PolicyRule(SubjectKind subjectKind, LabelSelector subject, Optional<List<RuleElement>> ingress, Optional<List<RuleElement>> egress,
        Optional<List<RuleElement>> ingressDeny, Optional<List<RuleElement>> egressDeny, Map<Direction, Boolean> defaultDeny,
        Optional<Set<Direction>> policyTypes, List<Label> labels, String description, String log) {
    /** Pods ({@code endpointSelector}, {@code podSelector}) or nodes ({@code nodeSelector}). */
    public enum SubjectKind {
        ENDPOINTS, NODES
    }

    public PolicyRule {
        ingress = ingress.map(List::copyOf);
        egress = egress.map(List::copyOf);
        ingressDeny = ingressDeny.map(List::copyOf);
        egressDeny = egressDeny.map(List::copyOf);
        defaultDeny = Map.copyOf(defaultDeny);
        policyTypes = policyTypes.map(types -> types.isEmpty() ? Set.<Direction>of() : Set.copyOf(EnumSet.copyOf(types)));
        labels = List.copyOf(labels);
    }

    /** The section of a direction. */
    public Optional<List<RuleElement>> section(Direction direction, boolean deny) {
        if (direction == Direction.INGRESS) return deny ? ingressDeny : ingress;
        return deny ? egressDeny : egress;
    }
}
