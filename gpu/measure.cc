#include "gpu/measure.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/allocator.h"
#include "core/random.h"
#include "kernels/copy.h"
#include "kernels/gemm.h"
#include "kernels/timing.h"

namespace palimpsest {
namespace {

// Of the product that is measured as a ceiling: an N-th of the work of 8192^3.
int64_t ProductSide(int64_t scale) {
  return static_cast<int64_t>(8192.0 / std::cbrt(static_cast<double>(scale))) / 64 * 64;
}

[[noreturn]] void Refuse(const char* program, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", program, why.c_str());
  std::exit(2);
}

}  // namespace

MeasureOptions ParseMeasureOptions(int argc, char** argv,
                                   absl::FunctionRef<std::string(const std::string&)> objection) {
  MeasureOptions options;
  const char* const program = argv[0];
  for (int i = 1; i < argc; ++i) {
    absl::string_view word = argv[i];
    if (absl::ConsumePrefix(&word, "--device=")) {
      if (word != "cpu" && word != "cuda") Refuse(program, "--device is cpu or cuda");
      options.device = word == "cpu" ? Device::kCpu : Device::kCuda;
    } else if (absl::ConsumePrefix(&word, "--repeats=")) {
      if (!absl::SimpleAtoi(word, &options.repeats) || options.repeats < 1)
        Refuse(program, "--repeats is a number of at least 1");
    } else if (absl::ConsumePrefix(&word, "--scale=")) {
      if (!absl::SimpleAtoi(word, &options.scale) || options.scale < 1 || options.scale > 512)
        Refuse(program, "--scale is a number of 1 to 512");
    } else if (absl::ConsumePrefix(&word, "--json=")) {
      options.json = std::string(word);
    } else if (absl::StartsWith(word, "-")) {
      Refuse(program, absl::StrCat("what is ", argv[i], "?"));
    } else if (const std::string wrong = objection(argv[i]); !wrong.empty()) {
      Refuse(program, wrong);
    } else {
      options.names.push_back(argv[i]);
    }
  }
  if (!Allocator::Has(options.device))
    Refuse(program, "there is no CUDA device; --device=cpu is slow");
  return options;
}

double MedianSeconds(const MeasureOptions& options, absl::FunctionRef<void()> body) {
  constexpr int kWarmUp = 3;
  std::vector<double> seconds = seconds_of(options.device, kWarmUp + options.repeats, body);
  seconds.erase(seconds.begin(), seconds.begin() + kWarmUp);
  std::nth_element(seconds.begin(), seconds.begin() + seconds.size() / 2, seconds.end());
  return seconds[seconds.size() / 2];
}

Tensor NormalBlocks(const Shape& shape, uint64_t seed, DType dtype, Device device, double stddev) {
  const int64_t size = NumElements(shape), block = std::min<int64_t>(size, int64_t{1} << 20);
  const Tensor drawn =
      CopyTo(RandomNormal({block}, RandomStream(seed, "measure"), dtype, stddev), device);
  Tensor all = Tensor::Empty(shape, dtype, device);
  const auto element = static_cast<int64_t>(SizeOf(dtype));
  const auto repeat = [&](int64_t times, int64_t of, int64_t begin) {
    copy(device, {element,
                  {times, of},
                  {0, 1},
                  {of, 1},
                  drawn.raw(),
                  static_cast<char*>(all.mutable_raw()) + begin * element});
  };
  if (size >= block && block > 0) repeat(size / block, block, 0);
  if (block > 0 && size % block > 0) repeat(1, size % block, size / block * block);
  return all;
}

Ceilings MeasureCeilings(const MeasureOptions& options) {
  const int64_t n = ProductSide(options.scale);
  const Tensor a = NormalBlocks({n, n}, 1, DType::kBf16, options.device);
  Tensor c = Tensor::Empty({n, n}, DType::kBf16, options.device);
  const double product = MedianSeconds(options, [&] {
    gemm(options.device, {.m = n,
                          .n = n,
                          .k = n,
                          .a = {a.raw(), n},
                          .b = {a.raw(), n},
                          .c = {c.mutable_raw(), n},
                          .dtype = DType::kBf16,
                          .out = DType::kBf16});
  });
  const int64_t size = (int64_t{1} << 28) / options.scale;
  const Tensor from = NormalBlocks({size}, 2, DType::kF32, options.device);
  Tensor to = Tensor::Empty({size}, DType::kF32, options.device);
  const double copied = MedianSeconds(options, [&] {
    copy(options.device, {4, {size}, {1}, {1}, from.raw(), to.mutable_raw()});
  });
  return {2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n) / product,
          8.0 * static_cast<double>(size) / copied};
}

void PrintCeilings(const Ceilings& ceilings, const MeasureOptions& options) {
  std::printf("a product of %d^3 in bf16: %.1f TFLOP/s; a copy: %.0f GB/s; medians of %d\n",
              static_cast<int>(ProductSide(options.scale)), ceilings.flops * 1e-12,
              ceilings.bytes * 1e-9, options.repeats);
}

}  // namespace palimpsest
