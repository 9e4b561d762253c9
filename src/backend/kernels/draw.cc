/* Draws the next token from its logits. */
#include "library.h"

namespace erpo {

/**
 * logits [B, V], at [B] uniform in [0, 1) -> ids [B]: the token at which the cumulative sum of softmax(logits / temperature) passes `at`. The sum is taken in
 * blocks, so that only the block where it passes is gone through one by one.
 */
struct Draw {
  static constexpr int64_t BLOCK = 256;
  float temperature;
  explicit Draw(Attributes& a) : temperature(a.number("temperature")) {}
  void run(Call& call) {
    TF_Tensor* in = call.input(0);
    const int64_t V = width(in), B = V == 0 ? 0 : size(in) / V, blocks = (V + BLOCK - 1) / BLOCK;
    const float *logits = floats(in), *at = call.data(1);
    int32_t* ids = call.output<int32_t>(0, {B}, INT32);
    parallel(B, 4 * V, [&](int64_t begin, int64_t end) {
      std::vector<double> sums(blocks);
      for (int64_t row = begin; row < end; row++) {
        const float* x = logits + row * V;
        const float most = largest(x, V);
        double total = 0;
        for (int64_t b = 0; b < blocks; b++) {
          const float* from = x + b * BLOCK;
          const int64_t n = std::min(BLOCK, V - b * BLOCK);
          double sum = 0; // in float32 a block could come out larger than what is then gone through
#pragma omp simd reduction(+ : sum)
          for (int64_t i = 0; i < n; i++) sum += exponential((from[i] - most) / temperature);
          sums[b] = sum;
          total += sum;
        }
        double rest = at[row] * total;
        int64_t b = 0;
        while (b + 1 < blocks && rest >= sums[b]) rest -= sums[b++];
        int64_t i = b * BLOCK;
        for (const int64_t last = std::min(V, i + BLOCK) - 1; i < last; i++) {
          rest -= exponential((x[i] - most) / temperature);
          if (rest < 0) break;
        }
        ids[row] = static_cast<int32_t>(i);
      }
    });
  }
};

static Op<Draw> draw("ErpoDraw", {"logits: float", "at: float"}, {"ids: int32"}, {"temperature: float"});

}  // namespace erpo
