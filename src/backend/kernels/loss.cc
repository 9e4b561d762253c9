/* The loss over the vocabulary, without a second copy of the logits. */
#include <cmath>

#include "library.h"

namespace erpo {

/**
 * logits [n, V], targets [n] -> log softmax(logits)[target] [n] and, where `slopes` is 1, its gradient onehot(target) - softmax [n, V] in type T; [0, V] otherwise.
 */
struct TokenLogps {
  int type, slopes;
  explicit TokenLogps(Attributes& a) : type(a.type("T")), slopes(a.integer("slopes")) {}
  void run(Call& call) {
    TF_Tensor* in = call.input(0);
    const int64_t V = width(in), n = V == 0 ? 0 : size(in) / V;
    const float* logits = floats(in);
    const int32_t* targets = call.data<int32_t>(1);
    float* logps = call.output(0, {n});
    const int64_t kept = slopes ? n : 0;
    bf16* half = type == BFLOAT16 ? call.output<bf16>(1, {kept, V}, BFLOAT16) : nullptr;
    float* full = type == BFLOAT16 ? nullptr : call.output(1, {kept, V});
    parallel(n, 4 * V, [&](int64_t begin, int64_t end) {
      std::vector<float> powers(V);
      for (int64_t row = begin; row < end; row++) {
        const float* x = logits + row * V;
        const float most = largest(x, V);
        float sum = 0;
        float* p = powers.data();
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < V; i++) {
          p[i] = exponential(x[i] - most);
          sum += p[i];
        }
        const int32_t target = targets[row];
        logps[row] = target >= 0 && target < V ? x[target] - most - std::log(sum) : NAN;
        if (!slopes) continue;
        const float share = 1.0f / sum;
        if (half) {
#pragma omp simd
          for (int64_t i = 0; i < V; i++) half[row * V + i] = narrow(-p[i] * share);
          if (target >= 0 && target < V) half[row * V + target] = narrow(1.0f - p[target] * share);
        } else {
#pragma omp simd
          for (int64_t i = 0; i < V; i++) full[row * V + i] = -p[i] * share;
          if (target >= 0 && target < V) full[row * V + target] += 1.0f;
        }
      }
    });
  }
};

static Op<TokenLogps> tokenLogps("ErpoTokenLogps", {"logits: float", "targets: int32"}, {"logps: float", "slope: T"},
                                 {"T: {float, bfloat16}", "slopes: int"});

}  // namespace erpo
