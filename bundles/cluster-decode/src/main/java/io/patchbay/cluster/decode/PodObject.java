package io.patchbay.cluster.decode;

import io.patchbay.api.cluster.Pod;

/** A Pod as decoded: the row (its status included, if the text had one) and the spec behind it. */
public record PodObject(Pod pod, PodSpec spec) {
}
