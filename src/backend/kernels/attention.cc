/* Attention's rows and heads: rotary positions, padding and transposition in one pass each way, and the softmax between the products. */
#include <cmath>

#include "library.h"

namespace erpo {

/** Scores [..., S], mask of whole rows of S; `repeat` rows of scores share a row of the mask, and the rows of the mask go round -> softmax(scores + mask). */
struct MaskedSoftmax {
  int repeat;
  explicit MaskedSoftmax(Attributes& a) : repeat(a.integer("repeat")) {}
  void run(Call& call) {
    TF_Tensor *in = call.input(0), *masks = call.input(1);
    const int64_t S = width(in), rows = S == 0 ? 0 : size(in) / S, around = S == 0 ? 1 : size(masks) / S;
    const float *x = floats(in), *mask = floats(masks);
    float* p = call.like(0, in);
    parallel(rows, 6 * S, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const float *row = x + r * S, *m = mask + (r / repeat) % around * S;
        float* y = p + r * S;
        float most = row[0] + m[0];
#pragma omp simd reduction(max : most)
        for (int64_t i = 0; i < S; i++) most = std::max(most, row[i] + m[i]);
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < S; i++) {
          y[i] = m[i] < -1e8f ? 0.0f : exponential(row[i] + m[i] - most);
          sum += y[i];
        }
        const float share = 1.0f / sum;
#pragma omp simd
        for (int64_t i = 0; i < S; i++) y[i] *= share;
      }
    });
  }
};

/** dp, p [..., S] -> p (dp - sum(dp p)). */
struct SoftmaxGrad {
  explicit SoftmaxGrad(Attributes&) {}
  void run(Call& call) {
    const float* dp = call.data(0);
    TF_Tensor* in = call.input(1);
    const int64_t S = width(in), rows = S == 0 ? 0 : size(in) / S;
    const float* p = floats(in);
    float* ds = call.like(0, in);
    parallel(rows, 3 * S, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin * S; at < end * S; at += S) {
        float along = 0;
#pragma omp simd reduction(+ : along)
        for (int64_t i = 0; i < S; i++) along += dp[at + i] * p[at + i];
#pragma omp simd
        for (int64_t i = 0; i < S; i++) ds[at + i] = p[at + i] * (dp[at + i] - along);
      }
    });
  }
};

/** A row of a layout's table: where its own tokens begin among the N, its length, how many tokens it begins with that row `lender` runs. */
struct Row {
  int32_t start, length, shared, lender;
};

/** How P tokens of a prefix and then the rows' own tokens, [P + N, ...], stand to heads of padded rows. See src/backend/ops/rows.ts. */
struct Layout {
  int H, KV, D, P, T;
  explicit Layout(Attributes& a)
      : H(a.integer("heads")), KV(a.integer("kv_heads")), D(a.integer("dim")), P(a.integer("prefix")), T(a.integer("width")) {}
};

/**
 * qkv [P + N, (H + 2 KV) D], cos and sin [P + N, D / 2], the layout's table [B, 4] -> q [B, H, T, D] (turned, over sqrt(D)), k (turned) and v
 * [B, KV, P + T, D] with the prefix in front of each row, and those of the prefix itself [1, ...]. Pads are zero.
 */
struct SplitHeads {
  Layout l;
  explicit SplitHeads(Attributes& a) : l(a) {}
  void run(Call& call) {
    const float *x = call.data(0), *cos = call.data(1), *sin = call.data(2);
    TF_Tensor* table = call.input(3);
    const Row* rows = static_cast<const Row*>(TF_TensorData(table));
    const int64_t H = l.H, KV = l.KV, D = l.D, P = l.P, T = l.T, B = TF_Dim(table, 0), R = H + 2 * KV, S = P + T;
    float *q = call.output(0, {B, H, T, D}), *k = call.output(1, {B, KV, S, D}), *v = call.output(2, {B, KV, S, D});
    float *pq = call.output(3, {1, H, P, D}), *pk = call.output(4, {1, KV, P, D}), *pv = call.output(5, {1, KV, P, D});
    const float scale = 1.0f / std::sqrt(static_cast<float>(D));
    const int64_t half = D / 2;
    const auto place = [&](int64_t token, float* at, int64_t head) { // head: H queries, then KV keys, then KV values
      const float* from = x + (token * R + head) * D;
      if (head >= H + KV) std::memcpy(at, from, D * sizeof(float));
      else turn(at, from, cos + token * half, sin + token * half, half, head < H ? scale : 1.0f, 1.0f);
    };
    for (int64_t p = 0; p < P; p++) {
      for (int64_t h = 0; h < H; h++) place(p, pq + (h * P + p) * D, h);
      for (int64_t h = 0; h < KV; h++) {
        place(p, pk + (h * P + p) * D, H + h);
        place(p, pv + (h * P + p) * D, H + KV + h);
      }
    }
    parallel(B, R * S * D, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; b++) {
        const Row& row = rows[b];
        const auto fill = [&](float* to, int64_t head) { // [T, D]
          for (int64_t t = 0; t < row.shared; t++) place(P + rows[row.lender].start + t, to + t * D, head);
          for (int64_t t = row.shared; t < row.length; t++) place(P + row.start + t - row.shared, to + t * D, head);
          std::memset(to + row.length * D, 0, (T - row.length) * D * sizeof(float));
        };
        for (int64_t h = 0; h < H; h++) fill(q + (b * H + h) * T * D, h);
        for (int64_t h = 0; h < 2 * KV; h++) {
          const bool key = h < KV;
          const int64_t own = key ? h : h - KV;
          float* to = (key ? k : v) + (b * KV + own) * S * D;
          std::memcpy(to, (key ? pk : pv) + own * P * D, P * D * sizeof(float));
          fill(to + P * D, H + h);
        }
      }
    });
  }
};

/**
 * The adjoint of SplitHeads: dq [B, H, T, D], dk and dv [B, KV, P + T, D], those of the prefix itself [1, ...], cos, sin, table -> d qkv [P + N, (H + 2 KV) D]. What is at
 * pads is left out.
 */
struct SplitHeadsGrad {
  Layout l;
  explicit SplitHeadsGrad(Attributes& a) : l(a) {}
  void run(Call& call) {
    const float *dq = call.data(0), *dk = call.data(1), *dv = call.data(2), *pdq = call.data(3), *pdk = call.data(4), *pdv = call.data(5);
    TF_Tensor *cosines = call.input(6), *table = call.input(8);
    const float *cos = floats(cosines), *sin = call.data(7);
    const Row* rows = static_cast<const Row*>(TF_TensorData(table));
    const int64_t H = l.H, KV = l.KV, D = l.D, P = l.P, T = l.T, B = TF_Dim(table, 0), R = H + 2 * KV, S = P + T;
    float* dx = call.output(0, {TF_Dim(cosines, 0), R * D});
    const float scale = 1.0f / std::sqrt(static_cast<float>(D));
    const int64_t half = D / 2;
    const auto gather = [&](int64_t token, int64_t head, const float* from) {
      float* to = dx + (token * R + head) * D;
      if (head >= H + KV) std::memcpy(to, from, D * sizeof(float));
      else turn(to, from, cos + token * half, sin + token * half, half, head < H ? scale : 1.0f, -1.0f);
    };
    const auto add = [D](std::vector<float>& sum, const float* from) {
      for (int64_t d = 0; d < D; d++) sum[d] += from[d];
    };
    parallel(P, R * D * B, [&](int64_t begin, int64_t end) {
      std::vector<float> sum(D);
      for (int64_t p = begin; p < end; p++) {
        for (int64_t h = 0; h < H; h++) gather(p, h, pdq + (h * P + p) * D);
        for (int64_t h = 0; h < 2 * KV; h++) {
          const bool key = h < KV;
          const int64_t own = key ? h : h - KV;
          const float* prefix = (key ? pdk : pdv) + (own * P + p) * D;
          sum.assign(prefix, prefix + D);
          for (int64_t b = 0; b < B; b++) add(sum, (key ? dk : dv) + ((b * KV + own) * S + p) * D);
          gather(p, H + h, sum.data());
        }
      }
    });
    std::vector<std::vector<int64_t>> borrowers(B);
    for (int64_t b = 0; b < B; b++)
      if (rows[b].shared > 0) borrowers[rows[b].lender].push_back(b);
    const auto at = [&](int64_t b, int64_t head, int64_t t) {
      if (head < H) return dq + ((b * H + head) * T + t) * D;
      return (head < H + KV ? dk : dv) + ((b * KV + (head - H) % KV) * S + P + t) * D;
    };
    parallel(B, R * T * D, [&](int64_t begin, int64_t end) {
      std::vector<float> sum(D);
      for (int64_t b = begin; b < end; b++) {
        const Row& row = rows[b];
        for (int64_t t = row.shared; t < row.length; t++) {
          for (int64_t head = 0; head < R; head++) {
            const float* from = at(b, head, t);
            if (!borrowers[b].empty()) {
              sum.assign(from, from + D);
              for (int64_t other : borrowers[b])
                if (t < rows[other].shared) add(sum, at(other, head, t));
              from = sum.data();
            }
            gather(P + row.start + t - row.shared, head, from);
          }
        }
      }
    });
  }
};

/** Heads of padded rows [B, H, T, D] and of the prefix [1, H, P, D], table [B, 4] -> tokens [P + N, H D]. */
struct JoinHeads {
  Layout l;
  explicit JoinHeads(Attributes& a) : l(a) {}
  void run(Call& call) {
    const float *o = call.data(0), *po = call.data(1);
    TF_Tensor* table = call.input(2);
    const Row* rows = static_cast<const Row*>(TF_TensorData(table));
    const int64_t H = l.H, D = l.D, P = l.P, T = l.T, B = TF_Dim(table, 0);
    const Row& last = rows[B - 1];
    float* y = call.output(0, {P + last.start + last.length - last.shared, H * D});
    for (int64_t p = 0; p < P; p++)
      for (int64_t h = 0; h < H; h++) std::memcpy(y + (p * H + h) * D, po + (h * P + p) * D, D * sizeof(float));
    parallel(B, H * T * D, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; b++)
        for (int64_t t = rows[b].shared, n = P + rows[b].start; t < rows[b].length; t++, n++)
          for (int64_t h = 0; h < H; h++) std::memcpy(y + (n * H + h) * D, o + ((b * H + h) * T + t) * D, D * sizeof(float));
    });
  }
};

/** The adjoint of JoinHeads: dy [P + N, H D], table -> [B, H, T, D] with zeros where a row has no token of its own, and [1, H, P, D]. */
struct JoinHeadsGrad {
  Layout l;
  explicit JoinHeadsGrad(Attributes& a) : l(a) {}
  void run(Call& call) {
    const float* dy = call.data(0);
    TF_Tensor* table = call.input(1);
    const Row* rows = static_cast<const Row*>(TF_TensorData(table));
    const int64_t H = l.H, D = l.D, P = l.P, T = l.T, B = TF_Dim(table, 0);
    float *o = call.output(0, {B, H, T, D}), *po = call.output(1, {1, H, P, D});
    for (int64_t p = 0; p < P; p++)
      for (int64_t h = 0; h < H; h++) std::memcpy(po + (h * P + p) * D, dy + (p * H + h) * D, D * sizeof(float));
    parallel(B, H * T * D, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; b++) {
        const Row& row = rows[b];
        for (int64_t h = 0; h < H; h++) {
          float* to = o + (b * H + h) * T * D;
          std::memset(to, 0, row.shared * D * sizeof(float));
          for (int64_t t = row.shared, n = P + row.start; t < row.length; t++, n++)
            std::memcpy(to + t * D, dy + (n * H + h) * D, D * sizeof(float));
          std::memset(to + row.length * D, 0, (T - row.length) * D * sizeof(float));
        }
      }
    });
  }
};

#define LAYOUT {"heads: int", "kv_heads: int", "dim: int", "prefix: int", "width: int"}
static Op<MaskedSoftmax> maskedSoftmax("ErpoMaskedSoftmax", {"scores: float", "mask: float"}, {"p: float"}, {"repeat: int"});
static Op<SoftmaxGrad> softmaxGrad("ErpoSoftmaxGrad", {"dp: float", "p: float"}, {"ds: float"});
static Op<SplitHeads> splitHeads("ErpoSplitHeads", {"qkv: float", "cos: float", "sin: float", "table: int32"},
                                 {"q: float", "k: float", "v: float", "pq: float", "pk: float", "pv: float"}, LAYOUT);
static Op<SplitHeadsGrad> splitHeadsGrad("ErpoSplitHeadsGrad",
                                         {"dq: float", "dk: float", "dv: float", "pdq: float", "pdk: float", "pdv: float",
                                          "cos: float", "sin: float", "table: int32"},
                                         {"dqkv: float"}, LAYOUT);
static Op<JoinHeads> joinHeads("ErpoJoinHeads", {"o: float", "po: float", "table: int32"}, {"y: float"}, LAYOUT);
static Op<JoinHeadsGrad> joinHeadsGrad("ErpoJoinHeadsGrad", {"dy: float", "table: int32"}, {"o: float", "po: float"}, LAYOUT);

}  // namespace erpo
