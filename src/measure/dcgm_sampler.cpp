// The calls are those of dcgm_agent.h; the engine answers on the port it takes by itself.
#include "measure/dcgm_sampler.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <string_view>

#include <fmt/format.h>

#include "base/clock.h"

namespace wan::measure {
namespace {

constexpr const char* kAddress = "127.0.0.1";
constexpr uint32_t kTimeoutMs = 500;      // a refused connection is tried again until then
constexpr long long kPeriodUs = 100'000;  // the shortest that DCGM offers for these fields
constexpr double kKeepSeconds = 5;        // in the engine, for a reader that is late
constexpr std::array kFields = {kDcgmSmActive, kDcgmTensorActive, kDcgmDramActive};

int64_t epoch_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

int keep_values(unsigned int, DcgmFieldValue* values, int count, void* user) {
  auto& series = *static_cast<DcgmSeries*>(user);
  for (int i = 0; i < count; ++i) {
    const DcgmFieldValue& value = values[i];
    DcgmValue kept{value.at_us, std::nullopt};
    if (value.status == kDcgmOk && value.type == kDcgmRealType && value.content.real < kDcgmBlank)
      kept.share = value.content.real;
    if (value.field == kDcgmSmActive) series.sm.push_back(kept);
    if (value.field == kDcgmTensorActive) series.tensor.push_back(kept);
    if (value.field == kDcgmDramActive) series.dram.push_back(kept);
  }
  return 0;
}

}  // namespace

DcgmSampler::DcgmSampler(const std::string& uuid, const DcgmLibrary& library)
    : library_(library), reason_(library.reason) {
  if (reason_.empty()) reason_ = open(uuid);
}

DcgmSampler::~DcgmSampler() {
  if (watching_) library_.unwatch(*connection_, *group_, *fields_);
  if (fields_) library_.destroy_fields(*connection_, *fields_);
  if (group_) library_.destroy_group(*connection_, *group_);
  if (connection_) library_.disconnect(*connection_);
  if (initialized_) library_.shutdown();
}

std::string DcgmSampler::because(const char* what, int result) const {
  const char* text = library_.explain(result);
  return fmt::format("{}: {} (DCGM error {})", what, text == nullptr ? "no explanation" : text, result);
}

std::string DcgmSampler::open(const std::string& uuid) {
  if (const int result = library_.initialize(); result != kDcgmOk) return because("DCGM does not start", result);
  initialized_ = true;
  DcgmConnectParameters parameters;
  parameters.timeout_ms = kTimeoutMs;
  DcgmHandle connection = 0;
  if (const int result = library_.connect(kAddress, &parameters, &connection); result != kDcgmOk)
    return because("no host engine answers on this machine (nv-hostengine runs one)", result);
  connection_ = connection;
  if (std::string problem = find_gpu(uuid); !problem.empty()) return problem;
  return watch();
}

std::string DcgmSampler::find_gpu(const std::string& uuid) {
  std::array<unsigned int, kDcgmMostGpus> ids{};
  int count = 0;
  if (const int result = library_.all_gpus(*connection_, ids.data(), &count); result != kDcgmOk)
    return because("the host engine lists no GPUs", result);
  for (int i = 0; i < count; ++i) {
    DcgmEntity entity{kDcgmGpuEntity, ids[i]};
    uint16_t field = kDcgmUuid;
    DcgmEntityValue value{};
    if (library_.latest_values(*connection_, &entity, 1, &field, 1, kDcgmLiveData, &value) != kDcgmOk) continue;
    gpu_ = ids[i];
    if (value.status == kDcgmOk && std::string_view(value.content.text) == uuid) return "";
  }
  return fmt::format("the host engine does not know the GPU {}", uuid);
}

std::string DcgmSampler::watch() {
  // Names have to differ from those of every other client.
  const std::string name = fmt::format("wanbench-{}-{}", ::getpid(), monotonic_ns());
  DcgmHandle made = 0;
  if (const int result = library_.create_group(*connection_, kDcgmEmptyGroup, name.c_str(), &made); result != kDcgmOk)
    return because("the host engine makes no group", result);
  group_ = made;
  if (const int result = library_.add_gpu(*connection_, *group_, gpu_); result != kDcgmOk)
    return because("the host engine takes no GPU into a group", result);
  if (const int result = library_.create_fields(*connection_, int(kFields.size()), kFields.data(), name.c_str(), &made);
      result != kDcgmOk)
    return because("the host engine makes no group of fields", result);
  fields_ = made;
  since_us_ = epoch_us();  // another client may have had them counted before
  const int result = library_.watch(*connection_, *group_, *fields_, kPeriodUs, kKeepSeconds, /*keep_samples=*/0);
  watching_ = result == kDcgmOk;
  return watching_ ? "" : because("the host engine does not count SM, tensor and DRAM activity", result);
}

std::vector<ActivityReading> DcgmSampler::read() {
  if (!reason_.empty()) return {};
  DcgmSeries series;
  long long next_us = since_us_;
  const int result = library_.values_since(*connection_, *group_, *fields_, since_us_, &next_us, &keep_values, &series);
  if (result != kDcgmOk) {
    reason_ = because("the host engine stopped answering", result);
    return {};
  }
  since_us_ = next_us;
  // Told anew each time: the wall clock is adjusted while a run goes on.
  return to_windows(series, monotonic_ns() - epoch_us() * 1000, counted_to_ns_);
}

}  // namespace wan::measure
