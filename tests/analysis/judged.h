// A run that was made to be compared, of the case of another run.
#pragma once

#include <string>

#include "results/json.h"
#include "results/record.h"

namespace wan {

struct Judgement {
  std::string reference = "bf16";
  double psnr = 31.5, velocity = 0.03;
  PrecisionClass reference_class = PrecisionClass::kRounding;
  std::string reference_sha256 = "eeee";
  bool identical = false;
};

inline FidelityScore score(const std::string& metric, double mean, double worst) {
  return {metric, measured(mean, "frames"), measured(worst, "frames"), 7};
}

/// As `run --fidelity` writes it beside `of`.
inline RunRecord judged(const RunRecord& of, const Judgement& how = {}) {
  RunRecord record = of;
  record.id.clear();
  record.created_utc = "2026-01-02T00:00:00.000Z";
  record.run_case.repeat = 0;
  record.workload.scope = RunScope::kCold;
  record.validity = {{"fidelity", "it was made to be compared", "", true}};
  FidelityRecord fidelity;
  FidelityComparison& comparison = fidelity.comparison;
  comparison.reference = how.reference;
  comparison.test = of.run_case.name;
  comparison.reference_class = how.reference_class;
  comparison.reference_recipe = "official";
  comparison.reference_sha256 = how.reference_sha256;
  comparison.test_sha256 = how.identical ? how.reference_sha256 : of.output.sha256;
  comparison.frames = 9;
  comparison.identical = how.identical;
  if (how.identical) {
    comparison.why_no_scores = "identical";
    comparison.scores = {{"psnr", absent<double>("identical"), absent<double>("identical"), std::nullopt}};
    comparison.replayed = {{0, measured(0.0, "replay"), measured(1.0, "replay")}};
  } else {
    comparison.scores = {score("psnr", how.psnr, how.psnr - 3), score("ssim", 0.93, 0.9),
                         score("flip", 1 / how.psnr, 2 / how.psnr)};
    comparison.latents = {{0, measured(0.01, "dump"), measured(0.9999, "dump")}};
    comparison.replayed = {{0, measured(how.velocity / 2, "replay"), measured(0.9999, "replay")},
                           {1, measured(how.velocity, "replay"), measured(0.9998, "replay")}};
  }
  FidelityComparison floor = comparison;
  floor.reference = "fp32";
  floor.test = "bf16";
  floor.identical = false;
  floor.scores = {score("psnr", 45.1, 40)};
  floor.replayed = {{1, measured(0.0053, "replay"), measured(0.99999, "replay")}};
  fidelity.noise_floor = {floor};
  fidelity.velocity_bound = 0.06;
  record.fidelity = fidelity;
  if (how.velocity > 0.06) record.status = RunStatus::kQualityFail;
  seal(record);
  return record;
}

}  // namespace wan
