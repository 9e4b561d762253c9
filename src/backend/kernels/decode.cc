/* Attention of one new token a row over what the row has kept: rotary positions, writing to the cache, scores, softmax and sum in one pass. */
#include <cmath>

#include "library.h"

namespace erpo {

/**
 * qkv [B, (H + 2 KV) D], cos and sin [B, D / 2], positions [B], keys and values [B KV M, D] -> [B, H D]. The token's own key (turned) and value are written
 * into `keys` and `values` at its position, so their buffers must belong to nobody else; the row sees them and what stands before, `window` positions in
 * all where that is not 0.
 */
struct CachedAttention {
  int H, KV, D, W;
  explicit CachedAttention(Attributes& a)
      : H(a.integer("heads")), KV(a.integer("kv_heads")), D(a.integer("dim")), W(a.integer("window")) {}
  void run(Call& call) {
    if (D == 64) all<64>(call);
    else if (D == 128) all<128>(call);
    else all<0>(call);
  }

 private:
  /** `Dim` is D, or 0 where the compiler does not know it. */
  template <int Dim>
  void all(Call& call) {
    const int64_t D = Dim ? Dim : this->D, G = H / KV;
    const float *qkv = call.data(0), *cos = call.data(1), *sin = call.data(2);
    TF_Tensor* in = call.input(3);
    const int32_t* positions = static_cast<const int32_t*>(TF_TensorData(in));
    TF_Tensor* cache = call.input(4);
    float *keys = static_cast<float*>(TF_TensorData(cache)), *values = static_cast<float*>(TF_TensorData(call.input(5)));
    const int64_t B = size(in), M = B == 0 ? 0 : TF_Dim(cache, 0) / (B * KV), half = D / 2;
    const float scale = 1.0f / std::sqrt(static_cast<float>(D));
    float* out = call.output(0, {B, H * D});
    parallel(B * KV, 4 * G * D * M, [&](int64_t begin, int64_t end) {
      std::vector<float> queries(G * D), weights(G * M);
      for (int64_t bh = begin; bh < end; bh++) {
        const int64_t b = bh / KV, h = bh % KV, own = positions[b], S = W > 0 ? std::min<int64_t>(W, own + 1) : own + 1;
        const float *token = qkv + b * (H + 2 * KV) * D, *c = cos + b * half, *s = sin + b * half;
        float *k = keys + bh * M * D, *v = values + bh * M * D;
        turn(k + own * D, token + (H + h) * D, c, s, half, 1.0f, 1.0f);
        std::memcpy(v + own * D, token + (H + KV + h) * D, D * sizeof(float));
        k += (own + 1 - S) * D, v += (own + 1 - S) * D; // the first that it sees
        for (int64_t g = 0; g < G; g++) turn(queries.data() + g * D, token + (h * G + g) * D, c, s, half, scale, 1.0f);
        for (int64_t j = 0; j < S; j++)
          for (int64_t g = 0; g < G; g++) weights[g * M + j] = dot<Dim>(queries.data() + g * D, k + j * D, D);
        for (int64_t g = 0; g < G; g++) {
          float *w = weights.data() + g * M, *y = out + (b * H + h * G + g) * D;
          const float share = 1.0f / exponentials(w, S);
          std::fill(y, y + D, 0.0f);
          for (int64_t j = 0; j < S; j++) add<Dim>(y, v + j * D, w[j] * share, D);
        }
      }
    });
  }

  template <int Dim>
  static inline float dot(const float* a, const float* b, int64_t D) {
    const int64_t n = Dim ? Dim : D;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t d = 0; d < n; d++) sum += a[d] * b[d];
    return sum;
  }

  /** y += w x */
  template <int Dim>
  static inline void add(float* y, const float* x, float w, int64_t D) {
    const int64_t n = Dim ? Dim : D;
#pragma omp simd
    for (int64_t d = 0; d < n; d++) y[d] += w * x[d];
  }

  /** w = e^(w - max(w)); their sum. */
  static inline float exponentials(float* w, int64_t S) {
    const float most = largest(w, S);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < S; j++) {
      w[j] = exponential(w[j] - most);
      sum += w[j];
    }
    return sum;
  }
};

static Op<CachedAttention> cachedAttention("ErpoCachedAttention",
                                           {"qkv: float", "cos: float", "sin: float", "positions: int32", "keys: float", "values: float"},
                                           {"y: float"}, {"heads: int", "kv_heads: int", "dim: int", "window: int"});

}  // namespace erpo
