package io.patchbay.policy.internal.model;

/**
 * A named container port: name and protocol together, since http/TCP says nothing about http/UDP.
 *
 * @param name     in lower case
 * @param protocol IP protocol number
 */
public record PortName(String name, int protocol) {
}
