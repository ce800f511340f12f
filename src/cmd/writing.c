#include "cmd/writing.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/size.h"

static volatile sig_atomic_t canceled;

static struct {
    const char *what;
    uint64_t begin, last, step; /* ns; step: between two lines */
    bool terminal, shown;
} state;

static void on_signal(int sig)
{
    (void)sig;
    canceled = 1;
}

static void on_progress(void *user, uint64_t done, uint64_t all)
{
    (void)user;
    const uint64_t now = seam_mono_ns(), took = now - state.begin;
    char a[32], b[32], c[32];
    if (now - state.last < state.step || done == 0)
        return;
    state.last = now;
    const double s = (double)took / (double)SEAM_NS_PER_S, rate = (double)done / s;
    seam_size_format(done, a, sizeof a);
    seam_size_format(all, b, sizeof b);
    seam_size_format((uint64_t)rate, c, sizeof c);
    const double left = (double)(all - done) / rate;
    if (state.terminal)
        fprintf(stderr, "\r%s: %s of %s, %s/s, %.0f s left   ", state.what, a, b, c, left);
    else
        seam_info("%s: %s of %s, %s/s, %.0f s left", state.what, a, b, c, left);
    state.shown = true;
}

void seam_writing_begin(struct seam_fill_opts *o, const char *what)
{
    state.what = what;
    state.terminal = isatty(STDERR_FILENO);
    state.step = state.terminal ? SEAM_NS_PER_S / 5 : 5 * SEAM_NS_PER_S;
    state.begin = state.last = seam_mono_ns();
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    o->cancel = &canceled;
    o->progress = on_progress;
}

void seam_writing_end(const struct seam_gguf_out *w)
{
    const uint64_t bytes = seam_gguf_out_bytes(w);
    const double s = (double)(seam_mono_ns() - state.begin) / (double)SEAM_NS_PER_S;
    char a[32], b[32];
    if (state.terminal && state.shown)
        fputc('\n', stderr);
    seam_info("%s: %s in %.1f s, %s/s", state.what, seam_size_format(bytes, a, sizeof a), s,
              seam_size_format((uint64_t)((double)bytes / (s > 0 ? s : 1)), b, sizeof b));
    puts(seam_gguf_out_path(w));
}
