// Shared parts of the compiled loops: vectors, functions of them, products, loops over steps.
//
// Sizes: T steps, B sequences, d inputs, h units, H = h rounded up to whole vectors. Tensors are
// contiguous.
//
// Sequences are independent of each other, so a thread takes a group of them through all steps, and
// the number of threads has no influence on the result.

#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <type_traits>
#include <vector>

#if defined(__AVX512F__)
constexpr int BYTES = 64, NUM_SUMS = 24;  // of a vector; accumulators that fit into the registers
#else
constexpr int BYTES = 32, NUM_SUMS = 12;  // two registers each without AVX
#endif
constexpr int GROUP = 60;  // sequences; their hidden states stay in the L1 cache

#define INLINE static inline __attribute__((always_inline))
#define INLINE_BODY __attribute__((always_inline))
#define EACH(i, num) _Pragma("GCC unroll 16") for (int i = 0; i < num; i++)

#ifdef DOUBLE
typedef double Real;
typedef int64_t Integer;
constexpr int MANTISSA = 52, BIAS = 1023, TERMS = 13, ARTANH_TERMS = 16;
constexpr Real EXP_LIMIT = 700, TANH_LIMIT = 20, ROUND = 6755399441055744.0;  // 1.5 * 2^52
constexpr Real LN2_HIGH = 6.93147180369123816490e-01, LN2_LOW = 1.90821492927058770002e-10;
#else
typedef float Real;
typedef int32_t Integer;
constexpr int MANTISSA = 23, BIAS = 127, TERMS = 7, ARTANH_TERMS = 8;
constexpr Real EXP_LIMIT = 87, TANH_LIMIT = 10, ROUND = 12582912.0f;  // 1.5 * 2^23
constexpr Real LN2_HIGH = 0.693145751953125f, LN2_LOW = 1.42860682030941723212e-6f;
#endif

typedef Real Vector __attribute__((vector_size(BYTES)));
typedef Real Unaligned __attribute__((vector_size(BYTES), aligned(sizeof(Real)), may_alias));
typedef Integer Bits __attribute__((vector_size(BYTES)));
constexpr int L = BYTES / sizeof(Real);  // lanes of a vector

INLINE Vector load(const Real *p) { return *(const Unaligned *)p; }
INLINE void store(Real *p, Vector v) { *(Unaligned *)p = v; }
INLINE void store_four(  // into (rows, 4, H)
    Real *p, int row, int unit, int H, Vector a, Vector b, Vector c, Vector d
) {
    p += (size_t)row * 4 * H + unit;
    store(p, a), store(p + H, b), store(p + 2 * H, c), store(p + 3 * H, d);
}
INLINE Vector all(Real v) { return v - Vector{}; }
INLINE Vector load_first(const Real *p, int count) {
    if (count >= L) return load(p);
    Vector v{};
    memcpy(&v, p, sizeof(Real) * count);
    return v;
}
INLINE void store_first(Real *p, Vector v, int count) {
    if (count >= L) return store(p, v);
    memcpy(p, &v, sizeof(Real) * count);
}
inline int padded(int h) { return (h + L - 1) / L * L; }

// ---- Functions: exp(x) = 2^n exp(r), with |r| <= ln 2 / 2 and Taylor's series of exp(r) - 1 ----

INLINE Vector limited(Vector x, Real limit) {  // a NaN stays a NaN
    x = x > all(limit) ? all(limit) : x;
    return x < all(-limit) ? all(-limit) : x;
}
INLINE Vector split_exp(Vector x, Vector &power) {  // exp(r) - 1, and 2^n
    Vector shifted = x * all(Real(1.44269504088896340736)) + all(ROUND);
    Vector n = shifted - all(ROUND);
    Vector r = x - n * all(LN2_HIGH) - n * all(LN2_LOW);
    Bits exponent = (Bits)shifted - (Bits)all(ROUND);
    power = (Vector)((exponent + BIAS) << MANTISSA);
    Vector sum = all(1);  // r + r^2 / 2 + r^3 / 6 + ... = r (1 + r / 2 (1 + r / 3 (...)))
    EACH(i, TERMS - 1) sum = all(1) + sum * r * all(Real(1) / (TERMS - i));
    return sum * r;
}
INLINE Vector exp(Vector x) {
    Vector power, small = split_exp(limited(x, EXP_LIMIT), power);
    return power + power * small;
}
INLINE Vector sigmoid(Vector x) {
    return all(1) / (all(1) + exp(-x));
}
INLINE Vector log_sigmoid(Vector x) {  // min(x, 0) - log(1 + u), u = exp(-|x|)
    Vector u = exp(x < 0 ? x : -x), ratio = u / (all(2) + u), square = ratio * ratio;
    Vector sum{};  // log(1 + u) = 2 artanh(u / (2 + u)), a series of powers of at most 1 / 9
    EACH(i, ARTANH_TERMS) sum = sum * square + all(Real(1) / (2 * (ARTANH_TERMS - i) - 1));
    return (x < 0 ? x : Vector{}) - all(2) * ratio * sum;
}
INLINE Vector tanh(Vector x) {  // (exp(2x) - 1) / (exp(2x) + 1), exact near 0
    x = limited(x, TANH_LIMIT);
    Vector power, small = split_exp(x + x, power);
    Vector minus_one = power * small + (power - all(1));
    return minus_one / (minus_one + all(2));
}

// ---- Products ----------------------------------------------------------------------------------

// Weights (num_gates h, num) as [H / L][num_gates][width][L], with 0 beyond num: the order of use.
inline std::vector<Real> pack(const Real *w, int num_gates, int h, int num, int width) {
    std::vector<Real> packed((size_t)padded(h) * num_gates * width);
    for (int unit = 0; unit < h; unit++)
        for (int gate = 0; gate < num_gates; gate++)
            for (int k = 0; k < num; k++)
                packed[((size_t)(unit / L * num_gates + gate) * width + k) * L + unit % L] =
                    w[((size_t)gate * h + unit) * num + k];
    return packed;
}

// Recurrent weights (num_gates h, h) as [H / L][num_gates H][L], for gradients of the gates.
inline std::vector<Real> pack_transposed(const Real *w, int num_gates, int h) {
    int H = padded(h), num = num_gates * H;
    std::vector<Real> packed((size_t)H * num);
    for (int gate = 0; gate < num_gates; gate++)
        for (int k = 0; k < h; k++)
            for (int unit = 0; unit < h; unit++)
                packed[((size_t)(unit / L) * num + gate * H + k) * L + unit % L] =
                    w[((size_t)gate * h + k) * h + unit];
    return packed;
}

// A bias (num_gates h), or the sum of two, with zeros for the units h to H.
inline std::vector<Real> pack_bias(const Real *a, const Real *b, int num_gates, int h) {
    std::vector<Real> packed((size_t)num_gates * padded(h));
    for (int gate = 0; gate < num_gates; gate++)
        for (int unit = 0; unit < h; unit++)
            packed[gate * padded(h) + unit] = a[gate * h + unit] + (b ? b[gate * h + unit] : 0);
    return packed;
}

// sums[r][g] += sum_k a[r stride + k] b[g][k], with b [G][num][L]
template <int R, int G>
INLINE void multiply(
    const Real *a, size_t stride, const Real *b, int num, Vector (&sums)[R][G]
) {
    for (int k = 0; k < num; k++) {
        Vector values[G];
        EACH(g, G) values[g] = load(b + ((size_t)g * num + k) * L);
        EACH(r, R) {
            Vector factor = all(a[r * stride + k]);
            EACH(g, G) sums[r][g] += factor * values[g];
        }
    }
}

// Calls body(number in the tile, the first) for tiles of R rows or states, then for single ones.
template <int R, class Body>
INLINE void in_tiles(int num, Body body) {
    int row = 0;
    for (; row + R <= num; row += R) body(std::integral_constant<int, R>(), row);
    for (; row < num; row++) body(std::integral_constant<int, 1>(), row);
}

// Calls body(number of vectors, first unit) for G vectors of units, then for single vectors.
template <int G, class Body>
INLINE void units_in_tiles(int H, Body body) {
    int unit = 0;
    for (; unit + G * L <= H; unit += G * L) body(std::integral_constant<int, G>(), unit);
    for (; unit < H; unit += L) body(std::integral_constant<int, 1>(), unit);
}

constexpr int TILE_ROWS = 6, TILE_VECTORS = NUM_SUMS / TILE_ROWS;

// c (rows, units) += a (rows, num) b, with b from pack_transposed; a row of c has H values
inline void add_product(
    const Real *a, size_t stride, const Real *b, int num, int rows, int units, Real *c, int H
) {
    units_in_tiles<TILE_VECTORS>(units, [&](auto vectors, int unit) INLINE_BODY {
        in_tiles<TILE_ROWS>(rows, [&](auto size, int row) INLINE_BODY {
            constexpr int R = decltype(size)::value, G = decltype(vectors)::value;
            Real *out = c + (size_t)row * H + unit;
            Vector sums[R][G];
            EACH(r, R) EACH(g, G) sums[r][g] = load(out + r * H + g * L);
            multiply<R, G>(a + row * stride, stride, b + (size_t)unit * num, num, sums);
            EACH(r, R) EACH(g, G) store(out + r * H + g * L, sums[r][g]);
        });
    });
}

// ---- Steps -------------------------------------------------------------------------------------

// Calls body(first, end) for parts of `size` of `num` sequences, in several threads.
template <class Body>
static void in_threads(int num, int size, int num_threads, Body body) {
    std::atomic<int> next{0};
    auto work = [&] {
        for (int first; (first = size * next++) < num;)
            body(first, first + size < num ? first + size : num);
    };
    std::vector<std::thread> others;
    for (int i = 1; i < num_threads && i * size < num; i++) others.emplace_back(work);
    work();
    for (auto &thread : others) thread.join();
}

// Of all loops with products, with the fields of `Loop` in library.py; G is the number of gates.
// Steps come first. Units h to H have weights 0 and stay 0. Sequences are sorted by length, the
// longest first, so that the sequences with a step t are the first ones. Steps after the end of a
// sequence are not computed: outputs and gradients there are 0. `lem_slstm.cpp` describes where it
// differs.
struct Arguments {
    const Real *x;              // (T, B, d)
    const Real *w, *u, *b, *c;  // parameters (G h, d), (G h, h), (G h,), (G h,)
    Real *hs;                   // (T + 1, B, H) hidden states; the first is given
    Real *cs;                   // the same for cells, or the newest ones (B, H) if saved is null
    Real *saved;                // (T, B, 4 H) values for the backward pass, or null
    const Real *grad;           // (T, B, h) of the outputs, with strides grad_step, grad_row and 1
    Real *d_gates;              // (T, B, H or 4 H): gradients before the functions
    Real *dh, *dc;              // (B, H): zeros, which become gradients of the first state
    const int64_t *lengths;     // (B,)
    int64_t T, B, d, h, grad_step, grad_row;
    int64_t is_relu;    // of the RNN
    int64_t head_size;  // of sLSTM, in units
    int64_t num_threads;
    double dt;  // of LEM
};

// Sequences first to first + rows at step t. The first `num` of them have this step.
struct Step {
    const Arguments &a;
    int t, first, rows, num;
    // the place of the first sequence in a tensor (T, B, width), and the one at the next step
    size_t at(int width) const { return ((size_t)t * a.B + first) * width; }
    size_t next(int width) const { return at(width) + (size_t)a.B * width; }
    void clear_rest(Real *p, int width) const {
        if (num < rows) memset(p + (size_t)num * width, 0, sizeof(Real) * (rows - num) * width);
    }
    // the gradient of a vector of hidden states: of the output, and from the next step
    inline Vector dy(int row, int unit) const {
        const Real *p = a.grad + t * a.grad_step + (first + row) * a.grad_row + unit;
        return load_first(p, a.h - unit) + load(a.dh + (size_t)(first + row) * padded(a.h) + unit);
    }
};

// Calls body(step) for all steps of one group of sequences after the other, in several threads.
template <class Body>
static void steps(const Arguments &a, bool forward, Body body) {
    if (!a.B) return;
    int parts = (a.B + GROUP - 1) / GROUP;
    parts = (parts + a.num_threads - 1) / a.num_threads * a.num_threads;
    int size = ((a.B + parts - 1) / parts + 11) / 12 * 12;  // a multiple of most tiles
    in_threads(a.B, size, a.num_threads, [&](int first, int end) {
        int rows = end - first, num = forward ? rows : 0;
        for (int i = 0; i < a.T; i++) {
            int t = forward ? i : a.T - 1 - i;
            while (num && a.lengths[first + num - 1] <= t) num--;
            while (num < rows && a.lengths[first + num] > t) num++;
            body(Step{a, t, first, rows, num});
        }
    });
}

// Calls body(row, unit, place in (rows, H)) for each vector of units of the first `num` rows.
template <class Body>
INLINE void vectors(int num, int H, Body body) {
    for (int row = 0; row < num; row++)
        for (int unit = 0; unit < H; unit += L) body(row, unit, (size_t)row * H + unit);
}

extern "C" const int num_lanes = L;
