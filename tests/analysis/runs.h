// Small synthetic runs for the analysis tests.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "results/json.h"
#include "results/record.h"

namespace wan {

inline StageRecord leaf(const std::string& name, double seconds, int64_t index = -1) {
  StageRecord stage;
  stage.id = stage.name = name;
  stage.role = stage_from_name(name).role;
  stage.parent = "Total_Execution";
  stage.index = index;
  stage.wall_ns = static_cast<int64_t>(seconds * 1e9);
  return stage;
}

/// A text-to-video run on a GPU: init 10 s, T5 1 s, the steps, VAE 4 s, encoding 1 s, and `rest` seconds in no stage.
inline RunRecord synthetic_run(const std::vector<double>& steps, double rest = 0, int64_t repeat = 0) {
  RunRecord record;
  record.created_utc = "2026-01-01T00:00:00.000Z";
  record.run_case.name = "case";
  record.run_case.repeat = repeat;
  record.engine.name = "wanbench";
  record.engine.device = "cuda:0";
  record.workload.task = "ti2v";
  record.workload.steps = static_cast<int64_t>(steps.size());
  record.workload.text_encoder_device = "cuda";
  record.workload.precision_class = PrecisionClass::kRounding;
  record.workload.dtypes = {{"dit", "bf16"}};
  record.workload.scope = RunScope::kCold;
  GpuInfo gpu;
  gpu.name = "NVIDIA H100 80GB HBM3";
  gpu.memory_bytes = measured<uint64_t>(80ull << 30, "cuda");
  record.system.gpus = {gpu};
  record.system.cpu_model = "Example CPU";
  record.system.cores_allowed = measured<int64_t>(8, "affinity");
  StageRecord total = leaf("Total_Execution", 0);
  total.kind = StageKind::kParent;
  total.parent.clear();
  record.stages = {total, leaf("Model_Initialization", 10), leaf("TI2V_Preprocess", 0), leaf("T5_Encoding", 1)};
  for (size_t i = 0; i < steps.size(); ++i) {
    record.stages.push_back(leaf(fmt::format("Step_{}_Loading", i), 0, static_cast<int64_t>(i)));
    record.stages.push_back(leaf(fmt::format("Step_{}_Inference", i), steps[i], static_cast<int64_t>(i)));
  }
  record.stages.push_back(leaf("VAE_Decoding", 4));
  record.stages.push_back(leaf("Output_Encoding", 1));
  StageRecord hidden = leaf("Step_0_Inference/h2d", 100);  // must never be summed
  hidden.kind = StageKind::kHidden;
  hidden.parent = "Step_0_Inference";
  hidden.role = StageRole::kStepInference;
  record.stages.push_back(hidden);
  int64_t sum = 0;
  for (const StageRecord& stage : record.stages) sum += stage.kind == StageKind::kLeaf ? stage.wall_ns : 0;
  record.stages[0].wall_ns = sum + static_cast<int64_t>(rest * 1e9);
  seal(record);
  return record;
}

inline StageRecord& stage_of(RunRecord& record, const std::string& id) {
  for (StageRecord& stage : record.stages) {
    if (stage.id == id) return stage;
  }
  throw std::runtime_error("no stage " + id);
}

inline std::vector<const RunRecord*> pointers_to(const std::vector<RunRecord>& records) {
  std::vector<const RunRecord*> out;
  for (const RunRecord& record : records) out.push_back(&record);
  return out;
}

}  // namespace wan
