/* What a decoder layer does between its matrix products, each in one pass over memory. */
#include <cmath>

#include "library.h"

namespace erpo {

/** x [N, C], gain [C] -> x / sqrt(mean(x^2) + eps) * gain [N, C] and the factors 1 / sqrt(...) [N, 1]. */
struct RmsNorm {
  float eps;
  explicit RmsNorm(Attributes& a) : eps(a.number("eps")) {}
  void run(Call& call) {
    TF_Tensor* in = call.input(0);
    const int64_t C = width(in), N = C == 0 ? 0 : size(in) / C;
    const float *x = floats(in), *gain = call.data(1);
    float *y = call.output(0, {N, C}), *scale = call.output(1, {N, 1});
    parallel(N, 2 * C, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        const float* row = x + n * C;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < C; c++) sum += row[c] * row[c];
        const float s = 1.0f / std::sqrt(sum / C + eps);
        scale[n] = s;
#pragma omp simd
        for (int64_t c = 0; c < C; c++) y[n * C + c] = row[c] * s * gain[c];
      }
    });
  }
};

/** What RmsNorm gave, from its input and factors: x [N, C], scale [N, 1], gain [C] -> x scale gain. */
struct RmsNormAgain {
  explicit RmsNormAgain(Attributes&) {}
  void run(Call& call) {
    TF_Tensor* in = call.input(0);
    const int64_t C = width(in), N = C == 0 ? 0 : size(in) / C;
    const float *x = floats(in), *scale = call.data(1), *gain = call.data(2);
    float* y = call.output(0, {N, C});
    parallel(N, 2 * C, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        const float s = scale[n];
#pragma omp simd
        for (int64_t c = 0; c < C; c++) y[n * C + c] = x[n * C + c] * s * gain[c];
      }
    });
  }
};

/** dy, x [N, C], scale [N, 1], gain [C], behind [N, C] -> behind + d RmsNorm / dx: the gradient with that of the residual path added. */
struct RmsNormGrad {
  explicit RmsNormGrad(Attributes&) {}
  void run(Call& call) {
    TF_Tensor* in = call.input(1);
    const int64_t C = width(in), N = C == 0 ? 0 : size(in) / C;
    const float *dy = call.data(0), *x = floats(in), *scale = call.data(2), *gain = call.data(3), *behind = call.data(4);
    float* dx = call.output(0, {N, C});
    parallel(N, 4 * C, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        const int64_t at = n * C;
        const float s = scale[n];
        float along = 0;
#pragma omp simd reduction(+ : along)
        for (int64_t c = 0; c < C; c++) along += dy[at + c] * gain[c] * x[at + c];
        along *= s * s / C;
#pragma omp simd
        for (int64_t c = 0; c < C; c++) dx[at + c] = behind[at + c] + s * (dy[at + c] * gain[c] - x[at + c] * along);
      }
    });
  }
};

/**
 * Heads of D side by side [N, R D], gains [Q, D] with Q <= R -> RmsNorm of each of the first Q heads, the others as they are, [N, R D]; and the factors [N, Q].
 */
struct HeadNorm {
  float eps;
  explicit HeadNorm(Attributes& a) : eps(a.number("eps")) {}
  void run(Call& call) {
    TF_Tensor *in = call.input(0), *gains = call.input(1);
    const int64_t W = width(in), N = W == 0 ? 0 : size(in) / W, D = width(gains), Q = TF_Dim(gains, 0);
    const float *x = floats(in), *gain = floats(gains);
    float *y = call.output(0, {N, W}), *scale = call.output(1, {N, Q});
    parallel(N, 2 * W, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        for (int64_t h = 0; h < Q; h++) {
          const float *head = x + n * W + h * D, *g = gain + h * D;
          float* to = y + n * W + h * D;
          float sum = 0;
#pragma omp simd reduction(+ : sum)
          for (int64_t d = 0; d < D; d++) sum += head[d] * head[d];
          const float s = 1.0f / std::sqrt(sum / D + eps);
          scale[n * Q + h] = s;
#pragma omp simd
          for (int64_t d = 0; d < D; d++) to[d] = head[d] * s * g[d];
        }
        std::memcpy(y + n * W + Q * D, x + n * W + Q * D, (W - Q * D) * sizeof(float));
      }
    });
  }
};

/** dy, x [N, R D], scale [N, Q], gains [Q, D] -> d HeadNorm / dx. */
struct HeadNormGrad {
  explicit HeadNormGrad(Attributes&) {}
  void run(Call& call) {
    TF_Tensor *in = call.input(1), *gains = call.input(3);
    const int64_t W = width(in), N = W == 0 ? 0 : size(in) / W, D = width(gains), Q = TF_Dim(gains, 0);
    const float *dy = call.data(0), *x = floats(in), *scale = call.data(2), *gain = floats(gains);
    float* dx = call.output(0, {N, W});
    parallel(N, 3 * W, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        for (int64_t h = 0; h < Q; h++) {
          const int64_t at = n * W + h * D;
          const float s = scale[n * Q + h], *g = gain + h * D;
          float along = 0;
#pragma omp simd reduction(+ : along)
          for (int64_t d = 0; d < D; d++) along += dy[at + d] * g[d] * x[at + d];
          along *= s * s / D;
#pragma omp simd
          for (int64_t d = 0; d < D; d++) dx[at + d] = s * (dy[at + d] * g[d] - x[at + d] * along);
        }
        std::memcpy(dx + n * W + Q * D, dy + n * W + Q * D, (W - Q * D) * sizeof(float));
      }
    });
  }
};

/** gate and up side by side [N, 2 I] -> silu(gate) up [N, I]. */
struct Swiglu {
  explicit Swiglu(Attributes&) {}
  void run(Call& call) {
    TF_Tensor* in = call.input(0);
    const int64_t I = width(in) / 2, N = I == 0 ? 0 : size(in) / (2 * I);
    const float* x = floats(in);
    float* y = call.output(0, {N, I});
    parallel(N, 6 * I, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        const float *gate = x + n * 2 * I, *up = gate + I;
#pragma omp simd
        for (int64_t i = 0; i < I; i++) y[n * I + i] = gate[i] * sigmoid(gate[i]) * up[i];
      }
    });
  }
};

/** dy [N, I], gate and up [N, 2 I] -> d gate and d up [N, 2 I]. */
struct SwigluGrad {
  explicit SwigluGrad(Attributes&) {}
  void run(Call& call) {
    const float* dy = call.data(0);
    TF_Tensor* in = call.input(1);
    const int64_t I = width(in) / 2, N = I == 0 ? 0 : size(in) / (2 * I);
    const float* x = floats(in);
    float* d = call.output(0, {N, 2 * I});
    parallel(N, 8 * I, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        const float *gate = x + n * 2 * I, *up = gate + I, *g = dy + n * I;
        float *dGate = d + n * 2 * I, *dUp = dGate + I;
#pragma omp simd
        for (int64_t i = 0; i < I; i++) {
          const float s = sigmoid(gate[i]), silu = gate[i] * s;
          dGate[i] = g[i] * up[i] * (s + silu - silu * s);
          dUp[i] = g[i] * silu;
        }
      }
    });
  }
};

/** GELU by tanh is x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3): 2 u, and its slope. */
inline float twiceInner(float x) { return 1.5957691216f * x * (1 + 0.044715f * x * x); }
inline float twiceInnerSlope(float x) { return 1.5957691216f * (1 + 0.134145f * x * x); }

/** gate and up side by side [N, 2 I] -> gelu(gate) up [N, I]. */
struct Geglu {
  explicit Geglu(Attributes&) {}
  void run(Call& call) {
    TF_Tensor* in = call.input(0);
    const int64_t I = width(in) / 2, N = I == 0 ? 0 : size(in) / (2 * I);
    const float* x = floats(in);
    float* y = call.output(0, {N, I});
    parallel(N, 8 * I, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        const float *gate = x + n * 2 * I, *up = gate + I;
#pragma omp simd
        for (int64_t i = 0; i < I; i++) y[n * I + i] = gate[i] * sigmoid(twiceInner(gate[i])) * up[i];
      }
    });
  }
};

/** dy [N, I], gate and up [N, 2 I] -> d gate and d up [N, 2 I]. */
struct GegluGrad {
  explicit GegluGrad(Attributes&) {}
  void run(Call& call) {
    const float* dy = call.data(0);
    TF_Tensor* in = call.input(1);
    const int64_t I = width(in) / 2, N = I == 0 ? 0 : size(in) / (2 * I);
    const float* x = floats(in);
    float* d = call.output(0, {N, 2 * I});
    parallel(N, 10 * I, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        const float *gate = x + n * 2 * I, *up = gate + I, *g = dy + n * I;
        float *dGate = d + n * 2 * I, *dUp = dGate + I;
#pragma omp simd
        for (int64_t i = 0; i < I; i++) {
          const float s = sigmoid(twiceInner(gate[i])), gelu = gate[i] * s;
          dGate[i] = g[i] * up[i] * (s + gelu * (1 - s) * twiceInnerSlope(gate[i]));
          dUp[i] = g[i] * gelu;
        }
      }
    });
  }
};

/** A product in BF16 and what is added to it: half, more of one shape -> more + half in float32. */
struct Accumulate {
  explicit Accumulate(Attributes&) {}
  void run(Call& call) {
    const bf16* half = call.data<bf16>(0);
    TF_Tensor* in = call.input(1);
    const int64_t count = size(in), block = 4096;
    const float* more = floats(in);
    float* y = call.like(0, in);
    parallel((count + block - 1) / block, block, [&](int64_t begin, int64_t end) {
      const int64_t last = std::min(end * block, count);
#pragma omp simd
      for (int64_t i = begin * block; i < last; i++) y[i] = more[i] + widen(half[i]);
    });
  }
};

/**
 * AdamW: weights, m, v, gradient [P] and [beta1, beta2, eps, rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t), 1 - rate lambda] -> the new weights, m and v.
 */
struct AdamW {
  explicit AdamW(Attributes&) {}
  void run(Call& call) {
    TF_Tensor* in = call.input(0);
    const int64_t P = size(in), block = 4096;
    const float *w = floats(in), *m = call.data(1), *v = call.data(2), *g = call.data(3), *c = call.data(4);
    const float beta1 = c[0], beta2 = c[1], eps = c[2], rate = c[3], correction = c[4], decay = c[5];
    float *w1 = call.output(0, {P}), *m1 = call.output(1, {P}), *v1 = call.output(2, {P});
    parallel((P + block - 1) / block, 7 * block, [&](int64_t begin, int64_t end) {
      const int64_t last = std::min(end * block, P);
#pragma omp simd
      for (int64_t i = begin * block; i < last; i++) {
        m1[i] = m[i] + (g[i] - m[i]) * (1 - beta1);
        v1[i] = v[i] * beta2 + g[i] * g[i] * (1 - beta2);
        w1[i] = w[i] * decay - rate * m1[i] / (std::sqrt(v1[i]) * correction + eps);
      }
    });
  }
};

static Op<RmsNorm> rmsNorm("ErpoRmsNorm", {"x: float", "gain: float"}, {"y: float", "scale: float"}, {"eps: float"});
static Op<RmsNormAgain> rmsNormAgain("ErpoRmsNormAgain", {"x: float", "scale: float", "gain: float"}, {"y: float"});
static Op<RmsNormGrad> rmsNormGrad("ErpoRmsNormGrad", {"dy: float", "x: float", "scale: float", "gain: float", "behind: float"},
                                   {"dx: float"});
static Op<HeadNorm> headNorm("ErpoHeadNorm", {"x: float", "gains: float"}, {"y: float", "scale: float"}, {"eps: float"});
static Op<HeadNormGrad> headNormGrad("ErpoHeadNormGrad", {"dy: float", "x: float", "scale: float", "gains: float"}, {"dx: float"});
static Op<Swiglu> swiglu("ErpoSwiglu", {"x: float"}, {"y: float"});
static Op<SwigluGrad> swigluGrad("ErpoSwigluGrad", {"dy: float", "x: float"}, {"dx: float"});
static Op<Geglu> geglu("ErpoGeglu", {"x: float"}, {"y: float"});
static Op<GegluGrad> gegluGrad("ErpoGegluGrad", {"dy: float", "x: float"}, {"dx: float"});
static Op<Accumulate> accumulate("ErpoAccumulate", {"half: bfloat16", "more: float"}, {"y: float"});
static Op<AdamW> adamW("ErpoAdamW", {"w: float", "m: float", "v: float", "g: float", "c: float"},
                       {"w1: float", "m1: float", "v1: float"});

}  // namespace erpo
