#include "cli/video_plan.h"

#include "base/error.h"
#include "pipeline/memory_needs.h"

namespace wan::cli {
namespace {

/// What a request that is refused would take with its weights where least of them is on the card, or where it wants
/// them.
MemoryPlan least_memory(Request request, const ModelSet& models, const Plan& plan, const PlannedCard& card) {
  if (request.offload == Offload::kAuto) request.offload = Offload::kStream;
  request.gpu_memory_limit.reset();
  return plan_memory(request, models, plan, card.history, {UINT64_MAX / 2, UINT64_MAX / 2});
}

}  // namespace

std::optional<double> VideoPlan::seconds() const {
  double once = 0, a_clip = 0;
  for (const ExpectedStage& stage : stages) {
    if (stage.role == StageRole::kStepInference && !stage.seconds) return std::nullopt;
    const double seconds = stage.seconds.value_or(0);
    if (stage.role == StageRole::kStepInference) {
      a_clip += seconds * plan.steps;
    } else {
      (stage.role == StageRole::kVaeDecoding ? a_clip : once) += seconds;
    }
  }
  return once + a_clip * static_cast<double>(plan.clips);
}

VideoPlan plan_video(const std::string& name, const Request& request, const PlannedCard& card) {
  const ModelSet models = open_models(request);
  VideoPlan out;
  out.name = name;
  out.plan = make_plan(request, models, Images::kAssumed);
  try {
    out.memory = plan_memory(request, models, out.plan, card.history, card.limits);
  } catch (const OutOfMemory& problem) {
    out.refusal = problem.what();
    out.memory = least_memory(request, models, out.plan, card);
  }
  out.host_bytes = page_locked_bytes(models, out.plan, out.memory);
  out.stages = expected_stages(models, out.plan, out.memory, card.seconds ? card.seconds->fits : StageFits{});
  if (card.seconds) return out;
  for (ExpectedStage& stage : out.stages)
    if (stage.role != StageRole::kInitialization) stage.reason = card.why_no_seconds;
  return out;
}

}  // namespace wan::cli
