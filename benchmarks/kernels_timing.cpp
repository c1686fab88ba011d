#include "kernels_timing.h"

#include <fmt/format.h>

#include <algorithm>

namespace wan::bench {
namespace {

double percentile(const std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * static_cast<double>(sorted.size())))];
}

/// An event after each of `runs` calls, and one before.
std::vector<double> timed_runs(cuda::CudaBackend& backend, int runs, const std::function<void()>& call) {
  std::vector<Event> events{backend.record(Queue::kCompute)};
  for (int i = 0; i < runs; ++i) {
    call();
    events.push_back(backend.record(Queue::kCompute));
  }
  backend.synchronize(events.back());
  std::vector<double> times_us;
  for (int i = 0; i < runs; ++i) {
    float ms = 0;
    cuda::check(cudaEventElapsedTime(&ms, cuda::Events::handle(events[static_cast<size_t>(i)]),
                                     cuda::Events::handle(events[static_cast<size_t>(i) + 1])));
    times_us.push_back(ms * 1e3);
  }
  return times_us;
}

}  // namespace

Times summary(std::vector<double> times_us) {
  std::sort(times_us.begin(), times_us.end());
  return {percentile(times_us, 0.5), percentile(times_us, 0.1), percentile(times_us, 0.9),
          static_cast<int>(times_us.size())};
}

Times time_calls(cuda::CudaBackend& backend, double seconds, const std::function<void()>& call) {
  constexpr int kWarm = 3, kFewest = 5, kMost = 2000;
  const Times warm = summary(timed_runs(backend, kWarm, call));
  const int runs = std::clamp(static_cast<int>(seconds * 1e6 / std::max(warm.median_us, 1.0)), kFewest, kMost);
  return summary(timed_runs(backend, runs, call));
}

Ceilings measure_ceilings(cuda::CudaBackend& backend) {
  constexpr double kSeconds = 0.1;
  constexpr int64_t kSide = 8192, kCopied = int64_t{1} << 30;  // bf16 elements: 2 GiB
  Ceilings ceilings;
  {
    const Tensor from = random_tensor(backend, DType::kBF16, {kCopied});
    const Tensor to = random_tensor(backend, DType::kBF16, {kCopied});
    const Times times = time_calls(backend, kSeconds, [&] { backend.copy(from, to); });
    ceilings.bytes_per_second = 2e6 * static_cast<double>(from->bytes()) / times.median_us;
  }
  const Tensor x = random_tensor(backend, DType::kBF16, {kSide, kSide});
  const Tensor w = random_tensor(backend, DType::kBF16, {kSide, kSide});
  const Tensor y = random_tensor(backend, DType::kBF16, {kSide, kSide});
  const Times times = time_calls(backend, kSeconds, [&] { backend.linear(x, w, {}, Activation::kNone, y); });
  ceilings.operations_per_second = 2e6 * kSide * kSide * kSide / times.median_us;
  fmt::print("ceilings: copy {:.2f} TB/s, product {:.0f} TFLOP/s\n", ceilings.bytes_per_second * 1e-12,
             ceilings.operations_per_second * 1e-12);
  return ceilings;
}

void print_header() {
  fmt::print("{:<58} {:>10} {:>17} {:>9} {:>9} {:>7}\n", "kernel", "time us", "p10 - p90", "GB|GFLOP", "TB/s|TF/s",
             "share");
}

void print_row(const std::string& name, const Times& times, const Cost& cost, const Ceilings& ceilings) {
  const bool arithmetic = cost.operations > 0;
  const double work = arithmetic ? cost.operations : cost.bytes;
  const double rate = work / times.median_us * 1e6;
  const double ceiling = arithmetic ? ceilings.operations_per_second : ceilings.bytes_per_second;
  fmt::print("{:<58} {:>10.1f} {:>8.1f} {:>8.1f} {:>9.2f} {:>9.3f} {:>6.1f}%\n", name, times.median_us, times.low_us,
             times.high_us, work * 1e-9, rate * 1e-12, 100 * rate / ceiling);
}

Tensor random_tensor(cuda::CudaBackend& backend, DType dtype, const Shape& shape) {
  Tensor tensor = backend.allocate(dtype, shape, "benchmark");
  backend.fill_normal(tensor, static_cast<uint64_t>(shape.count()), 0, 1);
  return tensor;
}

}  // namespace wan::bench
