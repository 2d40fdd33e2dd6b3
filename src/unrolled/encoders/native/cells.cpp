// The loop over time of RNN, LSTM and GRU on a CPU, forward and backward.
//
// The equations are in torch.nn. `reference.py` has the same loops in plain Python. Everything that
// is one large product over all steps (gradients of weights and inputs) is left to torch.

#include "loops.h"

// ---- RNN: h_t = f(W x_t + b + U h_{t-1} + c), f = tanh or ReLU ---------------------------------

extern "C" void rnn_forward(const Arguments &a) {
    int d = a.d, h = a.h, H = padded(h);
    auto bias = pack_bias(a.b, a.c, 1, h);
    auto inputs = pack(a.w, 1, h, d, d), recurrent = pack(a.u, 1, h, h, H);
    steps(a, true, [&](Step s) {
        const Real *xs = a.x + s.at(d), *before = a.hs + s.at(H);
        Real *after = a.hs + s.next(H);
        s.clear_rest(after, H);
        units_in_tiles<TILE_VECTORS>(H, [&](auto count, int unit) INLINE_BODY {
            in_tiles<TILE_ROWS>(s.num, [&](auto size, int row) INLINE_BODY {
                constexpr int R = decltype(size)::value, G = decltype(count)::value;
                size_t at = (size_t)row * H;
                Vector sums[R][G];
                EACH(r, R) EACH(g, G) sums[r][g] = load(&bias[unit + g * L]);
                multiply<R, G>(xs + (size_t)row * d, d, &inputs[(size_t)unit * d], d, sums);
                multiply<R, G>(before + at, H, &recurrent[(size_t)unit * H], H, sums);
                EACH(r, R) EACH(g, G) {
                    Vector y = sums[r][g];
                    y = a.is_relu ? (y < 0 ? Vector{} : y) : tanh(y);
                    store(after + at + r * H + unit + g * L, y);
                }
            });
        });
    });
}

extern "C" void rnn_backward(const Arguments &a) {
    int H = padded(a.h);
    auto recurrent = pack_transposed(a.u, 1, a.h);
    steps(a, false, [&](Step s) {
        const Real *after = a.hs + s.next(H);
        Real *d = a.d_gates + s.at(H), *dh = a.dh + (size_t)s.first * H;
        s.clear_rest(d, H);
        vectors(s.num, H, [&](int row, int unit, size_t at) INLINE_BODY {
            Vector dy = s.dy(row, unit), y = load(after + at);
            store(d + at, a.is_relu ? (y > 0 ? dy : Vector{}) : dy * (all(1) - y * y));
            store(dh + at, Vector{});
        });
        add_product(d, H, recurrent.data(), H, s.num, H, dh, H);
    });
}

// ---- LSTM: c_t = f c_{t-1} + i g, h_t = o tanh(c_t), gates i, f, o and input g -----------------

extern "C" void lstm_forward(const Arguments &a) {  // saves i, f, g and o
    int d = a.d, h = a.h, H = padded(h);
    auto bias = pack_bias(a.b, a.c, 4, h);
    auto inputs = pack(a.w, 4, h, d, d), recurrent = pack(a.u, 4, h, h, H);
    steps(a, true, [&](Step s) {
        const Real *xs = a.x + s.at(d), *before = a.hs + s.at(H);
        Real *after = a.hs + s.next(H), *saved = a.saved ? a.saved + s.at(4 * H) : nullptr;
        const Real *cell = a.cs + (saved ? s.at(H) : (size_t)s.first * H);
        Real *new_cell = a.cs + (saved ? s.next(H) : (size_t)s.first * H);
        s.clear_rest(after, H);
        for (int unit = 0; unit < H; unit += L)
            in_tiles<NUM_SUMS / 4>(s.num, [&](auto size, int row) INLINE_BODY {
                constexpr int R = decltype(size)::value;
                Vector sums[R][4];
                EACH(r, R) EACH(g, 4) sums[r][g] = load(&bias[g * H + unit]);
                multiply<R, 4>(xs + (size_t)row * d, d, &inputs[(size_t)4 * unit * d], d, sums);
                multiply<R, 4>(
                    before + (size_t)row * H, H, &recurrent[(size_t)4 * unit * H], H, sums);
                EACH(r, R) {
                    size_t at = (size_t)(row + r) * H + unit;
                    Vector in = sigmoid(sums[r][0]), keep = sigmoid(sums[r][1]);
                    Vector value = tanh(sums[r][2]), out = sigmoid(sums[r][3]);
                    Vector sum = keep * load(cell + at) + in * value;
                    store(new_cell + at, sum);
                    store(after + at, out * tanh(sum));
                    if (saved) store_four(saved, row + r, unit, H, in, keep, value, out);
                }
            });
    });
}

extern "C" void lstm_backward(const Arguments &a) {
    int H = padded(a.h);
    auto recurrent = pack_transposed(a.u, 4, a.h);
    steps(a, false, [&](Step s) {
        const Real *cell = a.cs + s.at(H), *new_cell = a.cs + s.next(H);
        Real *d = a.d_gates + s.at(4 * H);
        Real *dh = a.dh + (size_t)s.first * H, *dc = a.dc + (size_t)s.first * H;
        s.clear_rest(d, 4 * H);
        vectors(s.num, H, [&](int row, int unit, size_t at) INLINE_BODY {
            const Real *kept = a.saved + s.at(4 * H) + (size_t)row * 4 * H + unit;
            Vector in = load(kept), keep = load(kept + H), value = load(kept + 2 * H);
            Vector out = load(kept + 3 * H), y = tanh(load(new_cell + at)), dy = s.dy(row, unit);
            Vector dsum = load(dc + at) + dy * out * (all(1) - y * y);
            store_four(
                d, row, unit, H, dsum * value * in * (all(1) - in),
                dsum * load(cell + at) * keep * (all(1) - keep),
                dsum * in * (all(1) - value * value), dy * y * out * (all(1) - out));
            store(dc + at, dsum * keep);
            store(dh + at, Vector{});
        });
        add_product(d, 4 * H, recurrent.data(), 4 * H, s.num, H, dh, H);
    });
}

// ---- GRU: n = tanh(W x_t + b + r (U h_{t-1} + c)), h_t = (1 - z) n + z h_{t-1}, gates r and z ----

extern "C" void gru_forward(const Arguments &a) {  // saves r, z, n and n's U h_{t-1} + c
    int d = a.d, h = a.h, H = padded(h);
    auto bias = pack_bias(a.b, a.c, 2, h), input_bias = pack_bias(a.b + 2 * h, nullptr, 1, h);
    auto recurrent_bias = pack_bias(a.c + 2 * h, nullptr, 1, h);
    auto inputs = pack(a.w, 3, h, d, d), recurrent = pack(a.u, 3, h, h, H);
    steps(a, true, [&](Step s) {
        const Real *xs = a.x + s.at(d), *before = a.hs + s.at(H);
        Real *after = a.hs + s.next(H), *saved = a.saved ? a.saved + s.at(4 * H) : nullptr;
        s.clear_rest(after, H);
        for (int unit = 0; unit < H; unit += L)
            in_tiles<NUM_SUMS / 3>(s.num, [&](auto size, int row) INLINE_BODY {
                constexpr int R = decltype(size)::value;
                Vector sums[R][3], from_input[R];
                EACH(r, R) sums[r][0] = load(&bias[unit]);
                EACH(r, R) sums[r][1] = load(&bias[H + unit]);
                EACH(r, R) sums[r][2] = load(&input_bias[unit]);
                multiply<R, 3>(xs + (size_t)row * d, d, &inputs[(size_t)3 * unit * d], d, sums);
                EACH(r, R) from_input[r] = sums[r][2];
                EACH(r, R) sums[r][2] = load(&recurrent_bias[unit]);
                multiply<R, 3>(
                    before + (size_t)row * H, H, &recurrent[(size_t)3 * unit * H], H, sums);
                EACH(r, R) {
                    size_t at = (size_t)(row + r) * H + unit;
                    Vector reset = sigmoid(sums[r][0]), keep = sigmoid(sums[r][1]);
                    Vector value = tanh(from_input[r] + reset * sums[r][2]);
                    store(after + at, value + keep * (load(before + at) - value));
                    if (saved) store_four(saved, row + r, unit, H, reset, keep, value, sums[r][2]);
                }
            });
    });
}

// d_gates is for W x + b of n, r and z, and for U h + c of n: the first three belong to W (in the
// order n, r, z), and the last three to U (r, z, n).
extern "C" void gru_backward(const Arguments &a) {
    int H = padded(a.h);
    auto recurrent = pack_transposed(a.u, 3, a.h);
    steps(a, false, [&](Step s) {
        const Real *before = a.hs + s.at(H);
        Real *d = a.d_gates + s.at(4 * H), *dh = a.dh + (size_t)s.first * H;
        s.clear_rest(d, 4 * H);
        vectors(s.num, H, [&](int row, int unit, size_t at) INLINE_BODY {
            const Real *kept = a.saved + s.at(4 * H) + (size_t)row * 4 * H + unit;
            Vector reset = load(kept), keep = load(kept + H), value = load(kept + 2 * H);
            Vector dy = s.dy(row, unit), dn = dy * (all(1) - keep) * (all(1) - value * value);
            store_four(
                d, row, unit, H, dn, dn * load(kept + 3 * H) * reset * (all(1) - reset),
                dy * (load(before + at) - value) * keep * (all(1) - keep), dn * reset);
            store(dh + at, dy * keep);
        });
        add_product(d + H, 4 * H, recurrent.data(), 3 * H, s.num, H, dh, H);
    });
}
