// Recurrences without products between units on a CPU, forward and backward, from zeros: minGRU,
// minLSTM, the linear recurrence of the LRU, and S4D.
//
// Tensors have the sequences first: (B, T, width). Steps after the end of a sequence are not
// computed: outputs and gradients there are 0. Sums over sequences are made for parts of a fixed
// size, so that the number of threads has no influence on them.

#include <algorithm>

#include "loops.h"

// Of all scans, with the fields of `Scan` in library.py.
struct Scan {
    const Real *x;           // (B, T, width)
    const Real *constants;   // of LRU and S4D
    Real *y;                 // (B, T, h), or (B, T, 2 h) for the LRU
    const Real *grad;        // of y, contiguous
    Real *d_x;               // of x
    Real *d_constants;       // (parts, ...)
    const int64_t *lengths;  // (B,)
    int64_t T, B, h, num_states, num_threads, part;  // part: sequences of each d_constants
};

// The numbers of one sequence, and where its padding begins.
struct Sequence {
    int64_t index, length;
    Real *row(Real *p, int64_t t, int64_t T, int64_t width) const {
        return p + (index * T + t) * width;
    }
    const Real *row(const Real *p, int64_t t, int64_t T, int64_t width) const {
        return p + (index * T + t) * width;
    }
};

// Calls body(sequence, part) for all sequences, in several threads.
template <class Body>
static void sequences(const Scan &a, Body body) {
    in_threads(a.B, a.part, a.num_threads, [&](int first, int end) {
        for (int64_t i = first; i < end; i++)
            body(Sequence{i, a.lengths[i] < a.T ? a.lengths[i] : a.T}, first / a.part);
    });
}

static void clear_padding(const Scan &a, const Sequence &s, Real *p, int64_t width) {
    if (s.length < a.T)
        memset(s.row(p, s.length, a.T, width), 0, sizeof(Real) * (a.T - s.length) * width);
}

// Calls body(first unit, number of units) for all vectors of units, of which the last may be short.
template <class Body>
INLINE void each_vector(int h, Body body) {
    int unit = 0;
    for (; unit + L <= h; unit += L) body(unit, std::integral_constant<int, L>());
    if (unit < h) body(unit, h - unit);
}

// ---- h_t = (1 - z) h_{t-1} + z c, z = sigmoid(g), with g from the input alone ------------------

// minGRU: x has g and c.
struct MinGRU {
    static constexpr int parts = 2;
    static INLINE_BODY inline Vector gate(const Real *x, int, int count) {
        return load_first(x, count);
    }
    static INLINE_BODY inline void backward(const Real *, Real *d, int, int count, Vector dg) {
        store_first(d, dg, count);
    }
};

// minLSTM: x has f, i and c, and g = log sigmoid(i) - log sigmoid(f).
struct MinLSTM {
    static constexpr int parts = 3;
    static INLINE_BODY inline Vector gate(const Real *x, int h, int count) {
        return log_sigmoid(load_first(x + h, count)) - log_sigmoid(load_first(x, count));
    }
    static INLINE_BODY inline void backward(const Real *x, Real *d, int h, int count, Vector dg) {
        store_first(d, -dg * sigmoid(-load_first(x, count)), count);
        store_first(d + h, dg * sigmoid(-load_first(x + h, count)), count);
    }
};

// z and 1 - z, without a difference that loses digits
INLINE void shares(Vector gate, Vector &insert, Vector &keep) {
    Vector power = exp(-gate);
    insert = all(1) / (all(1) + power);
    keep = power * insert;
}

template <class Gate>
static void gated_forward(const Scan &a) {
    int h = a.h, width = Gate::parts * h;
    sequences(a, [&](Sequence s, int) {
        std::vector<Real> state(padded(h));
        for (int64_t t = 0; t < s.length; t++) {
            const Real *x = s.row(a.x, t, a.T, width);
            Real *y = s.row(a.y, t, a.T, h);
            each_vector(h, [&](int unit, auto count) INLINE_BODY {
                Vector insert, keep, value = load_first(x + width - h + unit, count);
                shares(Gate::gate(x + unit, h, count), insert, keep);
                Vector now = keep * load(&state[unit]) + insert * value;
                store(&state[unit], now);
                store_first(y + unit, now, count);
            });
        }
        clear_padding(a, s, a.y, h);
    });
}

template <class Gate>
static void gated_backward(const Scan &a) {
    int h = a.h, width = Gate::parts * h;
    const Real *y = a.y;
    std::vector<Real> zeros(padded(h));
    sequences(a, [&](Sequence s, int) {
        std::vector<Real> state(padded(h));  // the gradient of y_t from later steps
        clear_padding(a, s, a.d_x, width);
        for (int64_t t = s.length - 1; t >= 0; t--) {
            const Real *x = s.row(a.x, t, a.T, width), *grad = s.row(a.grad, t, a.T, h);
            const Real *old = t ? s.row(y, t - 1, a.T, h) : zeros.data();
            Real *d = s.row(a.d_x, t, a.T, width);
            each_vector(h, [&](int unit, auto count) INLINE_BODY {
                Vector dy = load_first(grad + unit, count) + load(&state[unit]);
                Vector insert, keep, value = load_first(x + width - h + unit, count);
                shares(Gate::gate(x + unit, h, count), insert, keep);
                Vector dz = dy * (value - load_first(old + unit, count));
                Gate::backward(x + unit, d + unit, h, count, dz * insert * keep);
                store_first(d + width - h + unit, dy * insert, count);
                store(&state[unit], dy * keep);
            });
        }
    });
}

extern "C" void mingru_forward(const Scan &a) { gated_forward<MinGRU>(a); }
extern "C" void mingru_backward(const Scan &a) { gated_backward<MinGRU>(a); }
extern "C" void minlstm_forward(const Scan &a) { gated_forward<MinLSTM>(a); }
extern "C" void minlstm_backward(const Scan &a) { gated_backward<MinLSTM>(a); }

// ---- LRU: s_t = lambda s_{t-1} + x_t, complex --------------------------------------------------

// x and y have the real parts, then the imaginary ones; constants (2, h): lambda.
extern "C" void lru_forward(const Scan &a) {
    int h = a.h;
    sequences(a, [&](Sequence s, int) {
        std::vector<Real> state(2 * padded(h));
        for (int64_t t = 0; t < s.length; t++) {
            const Real *x = s.row(a.x, t, a.T, 2 * h);
            Real *y = s.row(a.y, t, a.T, 2 * h);
            each_vector(h, [&](int unit, auto count) INLINE_BODY {
                Vector re = load(&state[unit]), im = load(&state[padded(h) + unit]);
                Vector a_re = load_first(a.constants + unit, count);
                Vector a_im = load_first(a.constants + h + unit, count);
                Vector new_re = a_re * re - a_im * im + load_first(x + unit, count);
                Vector new_im = a_re * im + a_im * re + load_first(x + h + unit, count);
                store(&state[unit], new_re), store(&state[padded(h) + unit], new_im);
                store_first(y + unit, new_re, count), store_first(y + h + unit, new_im, count);
            });
        }
        clear_padding(a, s, a.y, 2 * h);
    });
}

// d_constants (parts, 2, h) must be 0.
extern "C" void lru_backward(const Scan &a) {
    int h = a.h;
    const Real *y = a.y;
    std::vector<Real> zeros(2 * padded(h));
    sequences(a, [&](Sequence s, int part) {
        std::vector<Real> state(2 * padded(h));  // the gradient of s_t from later steps
        Real *d_a = a.d_constants + (size_t)part * 2 * h;
        clear_padding(a, s, a.d_x, 2 * h);
        for (int64_t t = s.length - 1; t >= 0; t--) {
            const Real *grad = s.row(a.grad, t, a.T, 2 * h);
            const Real *old = t ? s.row(y, t - 1, a.T, 2 * h) : zeros.data();
            Real *d = s.row(a.d_x, t, a.T, 2 * h);
            each_vector(h, [&](int unit, auto count) INLINE_BODY {
                Vector re = load_first(grad + unit, count) + load(&state[unit]);
                Vector im = load_first(grad + h + unit, count) + load(&state[padded(h) + unit]);
                Vector a_re = load_first(a.constants + unit, count);
                Vector a_im = load_first(a.constants + h + unit, count);
                Vector old_re = load_first(old + unit, count);
                Vector old_im = load_first(old + h + unit, count);
                store_first(d + unit, re, count), store_first(d + h + unit, im, count);
                Vector sum_re = load_first(d_a + unit, count) + re * old_re + im * old_im;
                Vector sum_im = load_first(d_a + h + unit, count) + im * old_re - re * old_im;
                store_first(d_a + unit, sum_re, count), store_first(d_a + h + unit, sum_im, count);
                store(&state[unit], a_re * re + a_im * im);
                store(&state[padded(h) + unit], a_re * im - a_im * re);
            });
        }
    });
}

// ---- S4D: s_t = A s_{t-1} + x_t, y_t = Re(W s_t), n complex states per unit --------------------

// One vector of units of one sequence, with its steps next to each other: (T, L).
static void gather(const Real *p, int64_t length, int64_t width, int count, Real *steps) {
    for (int64_t t = 0; t < length; t++) store(steps + t * L, load_first(p + t * width, count));
}
static void scatter(const Real *steps, int64_t length, int64_t width, int count, Real *p) {
    for (int64_t t = 0; t < length; t++) store_first(p + t * width, load(steps + t * L), count);
}

// A and W of G states of a vector of units; constants are (4, n, h): Re A, Im A, Re W, Im W.
template <int G>
struct States {
    Vector a_re[G], a_im[G], w_re[G], w_im[G];
    INLINE_BODY inline States(const Scan &a, int state, int unit, int count) {
        const Real *p = a.constants + state * a.h + unit;
        size_t step = a.num_states * a.h;
        EACH(g, G) {
            a_re[g] = load_first(p + g * a.h, count);
            a_im[g] = load_first(p + step + g * a.h, count);
            w_re[g] = load_first(p + 2 * step + g * a.h, count);
            w_im[g] = load_first(p + 3 * step + g * a.h, count);
        }
    }
    INLINE_BODY inline void next(Vector x, Vector (&re)[G], Vector (&im)[G]) const {
        EACH(g, G) {
            Vector new_re = a_re[g] * re[g] - a_im[g] * im[g] + x;
            im[g] = a_re[g] * im[g] + a_im[g] * re[g];
            re[g] = new_re;
        }
    }
};

extern "C" void s4d_forward(const Scan &a) {
    int h = a.h;
    sequences(a, [&](Sequence s, int) {
        std::vector<Real> xs(s.length * L), ys(s.length * L);
        for (int unit = 0; unit < h; unit += L) {
            int count = h - unit < L ? h - unit : L;
            gather(s.row(a.x, 0, a.T, h) + unit, s.length, h, count, xs.data());
            std::fill(ys.begin(), ys.end(), Real(0));
            in_tiles<NUM_SUMS / 6>(a.num_states, [&](auto size, int state) INLINE_BODY {
                constexpr int G = decltype(size)::value;
                States<G> states(a, state, unit, count);
                Vector re[G] = {}, im[G] = {};
                for (int64_t t = 0; t < s.length; t++) {
                    states.next(load(&xs[t * L]), re, im);
                    Vector y = load(&ys[t * L]);
                    EACH(g, G) y += states.w_re[g] * re[g] - states.w_im[g] * im[g];
                    store(&ys[t * L], y);
                }
            });
            scatter(ys.data(), s.length, h, count, s.row(a.y, 0, a.T, h) + unit);
        }
        clear_padding(a, s, a.y, h);
    });
}

// d_constants (parts, 4, n, h) must be 0.
extern "C" void s4d_backward(const Scan &a) {
    constexpr int MOST = NUM_SUMS / 12;  // states at a time
    int h = a.h;
    size_t step = a.num_states * h;
    sequences(a, [&](Sequence s, int part) {
        std::vector<Real> xs(s.length * L), dys(s.length * L), dxs(s.length * L);
        std::vector<Real> kept((s.length + 1) * 2 * MOST * L);  // s_{-1} = 0, s_0, ...
        for (int unit = 0; unit < h; unit += L) {
            int count = h - unit < L ? h - unit : L;
            gather(s.row(a.x, 0, a.T, h) + unit, s.length, h, count, xs.data());
            gather(s.row(a.grad, 0, a.T, h) + unit, s.length, h, count, dys.data());
            std::fill(dxs.begin(), dxs.end(), Real(0));
            in_tiles<MOST>(a.num_states, [&](auto size, int state) INLINE_BODY {
                constexpr int G = decltype(size)::value;
                States<G> states(a, state, unit, count);
                Vector re[G] = {}, im[G] = {};
                for (int64_t t = 0; t < s.length; t++) {
                    states.next(load(&xs[t * L]), re, im);
                    Real *p = &kept[(t + 1) * 2 * G * L];
                    EACH(g, G) store(p + 2 * g * L, re[g]), store(p + (2 * g + 1) * L, im[g]);
                }
                Vector d_re[G] = {}, d_im[G] = {};  // of s_t, from later steps
                Vector da_re[G] = {}, da_im[G] = {}, dw_re[G] = {}, dw_im[G] = {};
                memset(kept.data(), 0, sizeof(Real) * 2 * G * L);
                EACH(g, G) re[g] = load(&kept[s.length * 2 * G * L + 2 * g * L]);
                EACH(g, G) im[g] = load(&kept[s.length * 2 * G * L + (2 * g + 1) * L]);
                for (int64_t t = s.length - 1; t >= 0; t--) {
                    Vector dy = load(&dys[t * L]), dx = load(&dxs[t * L]);
                    const Real *p = &kept[t * 2 * G * L];
                    EACH(g, G) {
                        Vector all_re = d_re[g] + states.w_re[g] * dy;
                        Vector all_im = d_im[g] - states.w_im[g] * dy;
                        dx += all_re;
                        dw_re[g] += dy * re[g], dw_im[g] -= dy * im[g];
                        re[g] = load(p + 2 * g * L), im[g] = load(p + (2 * g + 1) * L);
                        da_re[g] += all_re * re[g] + all_im * im[g];
                        da_im[g] += all_im * re[g] - all_re * im[g];
                        d_re[g] = states.a_re[g] * all_re + states.a_im[g] * all_im;
                        d_im[g] = states.a_re[g] * all_im - states.a_im[g] * all_re;
                    }
                    store(&dxs[t * L], dx);
                }
                EACH(g, G) {
                    Real *d = a.d_constants + part * 4 * step + (state + g) * h + unit;
                    Vector sums[4] = {da_re[g], da_im[g], dw_re[g], dw_im[g]};
                    EACH(i, 4) {
                        Real *place = d + i * step;
                        store_first(place, load_first(place, count) + sums[i], count);
                    }
                }
            });
            scatter(dxs.data(), s.length, h, count, s.row(a.d_x, 0, a.T, h) + unit);
        }
        clear_padding(a, s, a.d_x, h);
    });
}
