package io.patchbay.lab;

import java.nio.file.Path;

/** What all pods of a lab share. @param path the PATH of their processes */
record Surroundings(String lab, Path directory, Path cni, String path) {
}
