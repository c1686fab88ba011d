// What every stage of one request works with. Private to pipeline/.
#pragma once

#include "pipeline/dump.h"
#include "pipeline/models.h"
#include "pipeline/observer.h"
#include "pipeline/plan.h"
#include "pipeline/preview.h"
#include "pipeline/rank_groups.h"
#include "pipeline/replay.h"
#include "pipeline/request.h"
#include "pipeline/stage_clock.h"
#include "pipeline/stop.h"

namespace wan {

/// References to what the request's Generation owns; as cheap to copy as to pass.
struct StageContext {
  const Request& request;
  const Plan& plan;
  Models& models;
  Observer& observer;
  StageClock& clock;
  Dump& dump;
  Replay& replay;
  const StopSource* stop;    // nullptr: nobody may stop the request
  PreviewConsumer* preview;  // nullptr: nobody takes any
  RankGroups* ranks;         // nullptr: one rank makes the video
  int clip = -1;             // that is being made; -1: the video is made in one piece, or all clips are meant

  Backend& device() const { return *models.backend; }
  /// Throws Error(kInterrupted) once a stop has been asked for. Called where the device's work may end.
  void check_stop() const;
  /// Ends the stage before and begins this one, of a step where one is named, unless a stop has been asked for.
  void enter(StageRole role, int step = -1) const;
};

/// Says what is held on the device and page-locked at the end of the current stage. `text_store` may be nullptr;
/// `activation_bytes` is the size of the arena in use.
void report_memory(const StageContext& context, const LayerStore* text_store, uint64_t activation_bytes);

/// Loads the decoder unless it is there. What it takes is part of the current stage's exposed wait for weights.
void load_vae(const StageContext& context);

}  // namespace wan
