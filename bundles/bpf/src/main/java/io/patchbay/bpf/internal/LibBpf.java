package io.patchbay.bpf.internal;

/** The functions of libbpf 1.1 that are used. Pointers are addresses; no callbacks, since a closure pins its class loader for good. */
public interface LibBpf {
    long libbpf_set_print(long function);

    long bpf_object__open_mem(long bytes, long size, long options);

    int bpf_object__load(long object);

    void bpf_object__close(long object);

    long bpf_object__next_program(long object, long previous);

    long bpf_object__next_map(long object, long previous);

    String bpf_program__name(long program);

    int bpf_program__set_autoload(long program, boolean autoload);

    int bpf_program__fd(long program);

    int bpf_program__set_type(long program, int type);

    int bpf_program__set_expected_attach_type(long program, int type);

    int bpf_program__type(long program);

    int bpf_program__expected_attach_type(long program);

    int bpf_program__set_log_buf(long program, long buffer, long size);

    String bpf_map__name(long map);

    boolean bpf_map__is_internal(long map);

    int bpf_map__reuse_fd(long map, int descriptor);

    int bpf_map__set_max_entries(long map, int entries);

    int bpf_map__set_initial_value(long map, long data, long size);

    int bpf_map__fd(long map);

    int bpf_tc_hook_create(long hook);

    int bpf_tc_attach(long hook, long options);

    int bpf_tc_detach(long hook, long options);

    int bpf_tc_query(long hook, long options);
}
