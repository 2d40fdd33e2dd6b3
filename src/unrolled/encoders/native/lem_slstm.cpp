// The loop over time of LEM and sLSTM on a CPU, forward and backward, from zeros.
//
// The equations are in `encoders/lem.py` and `encoders/slstm.py`. The products with the input and
// all biases, `x` here, are computed before, and have the gates one after the other: (T, B, 4 h).

#include "loops.h"

// sums[r] = wx[r] + (the product of num values of row r of `from` with weights from pack)
template <int R, int G>
INLINE void gates(
    const Real *wx, int h, const Real *from, const Real *weights, int num, int unit,
    Vector (&sums)[R][G]
) {
    EACH(r, R) EACH(g, G) sums[r][g] = load_first(wx + r * 4 * h + g * h, h - unit);
    multiply<R, G>(from, padded(h), weights + (size_t)G * unit * num, num, sums);
}

// ---- LEM ---------------------------------------------------------------------------------------

// Gates a, c, z and y in x; u is for a, c and z from y_{t-1} (3 h, h), w for y from z_t (h, h). hs has
// y, and cs has z. Saves a, c and the values of both tanh.
extern "C" void lem_forward(const Arguments &a) {
    int h = a.h, H = padded(h);
    size_t square = (size_t)h * h;
    auto to_a = pack(a.u, 1, h, h, H), to_c = pack(a.u + square, 1, h, h, H);
    auto to_z = pack(a.u + 2 * square, 1, h, h, H), to_y = pack(a.w, 1, h, h, H);
    Vector dt = all(Real(a.dt));
    steps(a, true, [&](Step s) {
        const Real *xs = a.x + s.at(4 * h), *y = a.hs + s.at(H);
        Real *new_y = a.hs + s.next(H), *saved = a.saved ? a.saved + s.at(4 * H) : nullptr;
        const Real *z = a.cs + (saved ? s.at(H) : (size_t)s.first * H);
        Real *new_z = a.cs + (saved ? s.next(H) : (size_t)s.first * H);
        s.clear_rest(new_y, H), s.clear_rest(new_z, H);
        // fresh = old + part (v - old): part = dt sigmoid(gate), v = tanh(gate + 2)
        auto sweep = [&](
            int gate, const std::vector<Real> &to_part, const Real *part_from,
            const std::vector<Real> &to_v, const Real *v_from, const Real *old, Real *fresh
        ) INLINE_BODY {
            for (int unit = 0; unit < H; unit += L)
                in_tiles<NUM_SUMS / 2>(s.num, [&](auto size, int row) INLINE_BODY {
                    constexpr int R = decltype(size)::value;
                    const Real *wx = xs + (size_t)row * 4 * h + gate * h + unit;
                    size_t from = (size_t)row * H;
                    Vector parts[R][1], values[R][1];
                    gates<R, 1>(wx, h, part_from + from, to_part.data(), H, unit, parts);
                    gates<R, 1>(wx + 2 * h, h, v_from + from, to_v.data(), H, unit, values);
                    EACH(r, R) {
                        size_t at = from + r * H + unit;
                        Vector part = dt * sigmoid(parts[r][0]), v = tanh(values[r][0]);
                        Vector before = load(old + at);
                        store(fresh + at, before + part * (v - before));
                        if (!saved) continue;
                        Real *kept = saved + (size_t)(row + r) * 4 * H + gate * H + unit;
                        store(kept, part), store(kept + 2 * H, v);
                    }
                });
        };
        sweep(0, to_a, y, to_z, y, z, new_z);
        sweep(1, to_c, y, to_y, new_z, y, new_y);
    });
}

// d_gates has the order of x; dc is the gradient of z.
extern "C" void lem_backward(const Arguments &a) {
    int H = padded(a.h);
    auto from_gates = pack_transposed(a.u, 3, a.h), from_y = pack_transposed(a.w, 1, a.h);
    Vector per_dt = all(Real(1 / a.dt));
    steps(a, false, [&](Step s) {
        const Real *saved = a.saved + s.at(4 * H), *y = a.hs + s.at(H), *z = a.cs + s.at(H);
        Real *d = a.d_gates + s.at(4 * H);
        Real *dy = a.dh + (size_t)s.first * H, *dz = a.dc + (size_t)s.first * H;
        s.clear_rest(d, 4 * H);
        // of new = old + part (v - old), with part = dt sigmoid(.) and v = tanh(.)
        auto step = [&](Vector grad, const Real *old, int at, int first, Real *out) INLINE_BODY {
            Vector part = load(saved + first), v = load(saved + first + 2 * H);
            store(d + first, grad * (v - load(old + at)) * part * (all(1) - part * per_dt));
            store(d + first + 2 * H, grad * part * (all(1) - v * v));
            store(out + at, grad * (all(1) - part));
        };
        vectors(s.num, H, [&](int row, int unit, size_t at) INLINE_BODY {
            step(s.dy(row, unit), y, at, row * 4 * H + H + unit, dy);
        });
        add_product(d + 3 * H, 4 * H, from_y.data(), H, s.num, H, dz, H);
        vectors(s.num, H, [&](int row, int unit, size_t at) INLINE_BODY {
            step(load(dz + at), z, at, row * 4 * H + unit, dz);
        });
        add_product(d, 4 * H, from_gates.data(), 3 * H, s.num, H, dy, H);
    });
}

// ---- sLSTM -------------------------------------------------------------------------------------

// Gates i, f, o and z in x; u has the same from h_{t-1}: (4 h, k) for heads of k units, k = h or a
// multiple of L. cs (T + 1, B, 3 H) has c, n and m. Saves exp(log f + m - m_t), exp(i - m_t), the
// sigmoid of -f, o and z: (T, B, 5 H).
extern "C" void slstm_forward(const Arguments &a) {
    int h = a.h, H = padded(h), k = a.head_size, width = padded(k);
    auto recurrent = pack(a.u, 4, h, k, width);
    steps(a, true, [&](Step s) {
        const Real *xs = a.x + s.at(4 * h), *before = a.hs + s.at(H);
        Real *after = a.hs + s.next(H), *saved = a.saved ? a.saved + s.at(5 * H) : nullptr;
        const Real *cells = a.cs + (saved ? s.at(3 * H) : (size_t)s.first * 3 * H);
        Real *new_cells = a.cs + (saved ? s.next(3 * H) : (size_t)s.first * 3 * H);
        s.clear_rest(after, H);
        for (int unit = 0; unit < H; unit += L)
            in_tiles<NUM_SUMS / 4>(s.num, [&](auto size, int row) INLINE_BODY {
                constexpr int R = decltype(size)::value;
                Vector sums[R][4];
                gates<R, 4>(
                    xs + (size_t)row * 4 * h + unit, h, before + (size_t)row * H + unit / k * k,
                    recurrent.data(), width, unit, sums);
                EACH(r, R) {
                    const Real *cell = cells + (size_t)(row + r) * 3 * H + unit;
                    Real *new_cell = new_cells + (size_t)(row + r) * 3 * H + unit;
                    Vector i = sums[r][0], kept = log_sigmoid(sums[r][1]) + load(cell + 2 * H);
                    Vector newest = kept > i ? kept : i;  // eq. 15
                    Vector keep = exp(kept - newest), insert = exp(i - newest);
                    Vector out = sigmoid(sums[r][2]), value = tanh(sums[r][3]);
                    Vector c = keep * load(cell) + insert * value;
                    Vector n = keep * load(cell + H) + insert;
                    store(new_cell, c), store(new_cell + H, n), store(new_cell + 2 * H, newest);
                    store(after + (size_t)(row + r) * H + unit, out * c / n);
                    if (!saved) continue;
                    Real *p = saved + (size_t)(row + r) * 5 * H + unit;
                    store(p, keep), store(p + H, insert), store(p + 2 * H, sigmoid(-sums[r][1]));
                    store(p + 3 * H, out), store(p + 4 * H, value);
                }
            });
    });
}

// dc (B, 2 H) has the gradients of c and n. h does not depend on m, which therefore counts as a
// constant.
extern "C" void slstm_backward(const Arguments &a) {
    int H = padded(a.h), k = a.head_size, width = padded(k);
    std::vector<std::vector<Real>> recurrent;  // by head, then by gate
    for (int first = 0; first < a.h; first += k)
        EACH(g, 4) recurrent.push_back(pack_transposed(a.u + (g * a.h + first) * k, 1, k));
    steps(a, false, [&](Step s) {
        const Real *saved = a.saved + s.at(5 * H);
        const Real *cells = a.cs + s.at(3 * H), *new_cells = a.cs + s.next(3 * H);
        Real *d = a.d_gates + s.at(4 * H);
        Real *dh = a.dh + (size_t)s.first * H, *d_cells = a.dc + (size_t)s.first * 2 * H;
        s.clear_rest(d, 4 * H);
        vectors(s.num, H, [&](int row, int unit, size_t at) INLINE_BODY {
            const Real *kept = saved + (size_t)row * 5 * H + unit;
            const Real *cell = cells + (size_t)row * 3 * H + unit;
            const Real *new_cell = new_cells + (size_t)row * 3 * H + unit;
            Real *d_cell = d_cells + (size_t)row * 2 * H + unit;
            Vector keep = load(kept), insert = load(kept + H), out = load(kept + 3 * H);
            Vector value = load(kept + 4 * H), n = load(new_cell + H), y = load(new_cell) / n;
            Vector dy = s.dy(row, unit), of_c = dy * out / n;
            Vector dc = load(d_cell) + of_c, dn = load(d_cell + H) - of_c * y;
            Vector d_keep = dc * load(cell) + dn * load(cell + H);
            store_four(
                d, row, unit, H, (dc * value + dn) * insert, d_keep * keep * load(kept + 2 * H),
                dy * y * out * (all(1) - out), dc * insert * (all(1) - value * value));
            store(d_cell, dc * keep), store(d_cell + H, dn * keep);
            store(dh + at, Vector{});
        });
        for (int first = 0, i = 0; first < a.h; first += k)
            EACH(g, 4) {
                const Real *gate = d + g * H + first;
                add_product(
                    gate, 4 * H, recurrent[i++].data(), width, s.num, width, dh + first, H);
            }
    });
}
