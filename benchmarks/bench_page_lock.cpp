// What filling and page-locking host memory costs a thread that launches meanwhile:
// `bench_page_lock MODES [GiB a mode] [threads]`, modes of idle, fill, each, one, joined by commas. Layers as large as
// those of T2V-A14B are filled by all threads; `each`: whoever finishes a layer locks it, as LayerStore does; `one`:
// one thread locks at a time and then leaves a gap. Every mode takes new memory and all of it is kept to the end, so
// that a virtual machine that gets its memory as it uses it pays in each; run it twice to see it without.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "backend/cuda/pinned.h"
#include "base/error.h"
#include "device_buffer.h"

namespace {

using namespace wan;
using benchmarks::DeviceBuffer;
using cuda::check;

constexpr size_t kLayerBytes = size_t{660} << 20, kChunkBytes = size_t{16} << 20, kCopyBytes = size_t{2} << 20;
constexpr double kLong = 0.005;  // seconds: a call that takes longer waited for something
constexpr std::chrono::milliseconds kGap{2};
constexpr const char* kWhat = "a layer";

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Kept {
  std::vector<void*> layers;
  ~Kept() {
    for (void* layer : layers) cuda::unmap_host(layer, kLayerBytes);
  }
};

/// Fills new layers with `threads` and locks them as `mode` says; returns the seconds each lock took.
std::vector<double> fill_and_lock(const std::string& mode, size_t layers, int threads, Kept& kept) {
  const size_t chunks = (kLayerBytes + kChunkBytes - 1) / kChunkBytes, first = kept.layers.size();
  for (size_t i = 0; i < layers; ++i) kept.layers.push_back(cuda::map_host(kLayerBytes, kWhat));
  std::atomic<size_t> next = 0;
  std::vector<std::atomic<size_t>> left(layers);
  for (auto& count : left) count = chunks;
  std::mutex one_at_a_time, results;
  std::vector<double> seconds;
  std::exception_ptr failure;
  const auto work = [&] {
    check(cudaSetDevice(0));
    for (size_t i = next++; i < layers * chunks; i = next++) {
      const size_t layer = i / chunks, begin = i % chunks * kChunkBytes;
      auto* const data = static_cast<std::byte*>(kept.layers[first + layer]);
      std::memset(data + begin, static_cast<int>(i % 255 + 1), std::min(kChunkBytes, kLayerBytes - begin));
      if (--left[layer] > 0 || mode == "fill") continue;
      std::unique_lock<std::mutex> turn(one_at_a_time, std::defer_lock);
      if (mode == "one") turn.lock();
      const double from = now();
      cuda::lock_host(data, kLayerBytes, kWhat);
      const double took = now() - from;
      if (mode == "one") std::this_thread::sleep_for(kGap);
      const std::lock_guard guard(results);
      seconds.push_back(took);
    }
  };
  std::vector<std::jthread> pool;
  for (int i = 0; i < threads; ++i)
    pool.emplace_back([&] {
      try {
        work();
      } catch (...) {
        const std::lock_guard guard(results);
        failure = std::current_exception();
        next = layers * chunks;
      }
    });
  for (std::jthread& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
  return seconds;
}

std::string described(std::vector<double> seconds) {
  if (seconds.empty()) return "none";
  std::sort(seconds.begin(), seconds.end());
  double waited = 0;
  for (const double s : seconds) waited += s > kLong ? s : 0;
  return fmt::format("{} calls, p99 {:.3f} ms, longest {:.1f} ms, {:.2f} s in calls longer than {:.0f} ms",
                     seconds.size(), 1e3 * seconds[(seconds.size() - 1) * 99 / 100], 1e3 * seconds.back(), waited,
                     1e3 * kLong);
}

/// Launches, records and copies until `done`, in turn, never more than 64 of each ahead of the device.
void launch_until(const std::atomic<bool>& done) {
  DeviceBuffer on_device(kCopyBytes);
  void* staging = nullptr;
  check(cudaMallocHost(&staging, kCopyBytes));
  cudaStream_t compute = nullptr, copy = nullptr;
  cudaEvent_t event = nullptr;
  check(cudaStreamCreateWithFlags(&compute, cudaStreamNonBlocking));
  check(cudaStreamCreateWithFlags(&copy, cudaStreamNonBlocking));
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  std::vector<double> launches, records, copies;
  const auto timed = [](std::vector<double>& seconds, const std::function<cudaError_t()>& call) {
    const double from = now();
    check(call());
    seconds.push_back(now() - from);
  };
  while (!done) {
    timed(launches, [&] { return cudaMemsetAsync(on_device.data(), 1, kCopyBytes, compute); });
    timed(records, [&] { return cudaEventRecord(event, compute); });
    check(cudaStreamWaitEvent(copy, event, 0));
    timed(copies, [&] { return cudaMemcpyAsync(on_device.data(), staging, kCopyBytes, cudaMemcpyHostToDevice, copy); });
    if (launches.size() % 64 == 0) check(cudaStreamSynchronize(copy));
  }
  check(cudaDeviceSynchronize());
  fmt::print("  launch: {}\n  record: {}\n  copy:   {}\n", described(launches), described(records), described(copies));
  check(cudaEventDestroy(event));
  check(cudaStreamDestroy(copy));
  check(cudaStreamDestroy(compute));
  check(cudaFreeHost(staging));
}

void measure(const std::string& mode, size_t layers, int threads, Kept& kept) {
  std::atomic<bool> done = false;
  std::vector<double> locks;
  std::exception_ptr failure;
  const double from = now();
  double took = 0;
  std::jthread filling([&] {
    try {
      if (mode == "idle")
        std::this_thread::sleep_for(std::chrono::seconds(2));
      else
        locks = fill_and_lock(mode, layers, threads, kept);
    } catch (...) {
      failure = std::current_exception();
    }
    took = now() - from;
    done = true;
  });
  fmt::print("{}\n", mode);
  launch_until(done);
  filling.join();
  if (failure) std::rethrow_exception(failure);
  std::sort(locks.begin(), locks.end());
  if (mode != "idle") fmt::print("  {:.2f} s for {:.1f} GiB", took, double(layers * kLayerBytes) / double(1ull << 30));
  if (!locks.empty()) fmt::print("; a lock {:.3f} s, the longest {:.3f} s", locks[locks.size() / 2], locks.back());
  fmt::print("\n");
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.empty()) throw Error(ErrorKind::kUsage, "usage: bench_page_lock MODES [GiB a mode] [threads]");
  const double gib = arguments.size() > 1 ? std::stod(arguments[1]) : 10;
  const int threads = arguments.size() > 2 ? std::stoi(arguments[2]) : 15;
  const auto layers = static_cast<size_t>(std::max(1.0, gib * double(1ull << 30) / double(kLayerBytes)));
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0));
  fmt::print("{}, {} threads\n", properties.name, threads);
  Kept kept;
  std::stringstream modes(arguments[0]);
  for (std::string mode; std::getline(modes, mode, ',');) {
    if (mode != "idle" && mode != "fill" && mode != "each" && mode != "one")
      throw Error(ErrorKind::kUsage, fmt::format("'{}' is no mode: idle, fill, each or one", mode));
    measure(mode, layers, threads, kept);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
