// Sends what the engine reports down the pipe to the watching process.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "pipeline/observer.h"
#include "pipeline/request.h"
#include "suite/protocol.h"

namespace wan::suite {

class PipeObserver final : public Observer {
 public:
  /// Writes to `descriptor`, which stays the caller's. `environment`: the variables that the engine and its libraries
  /// read, as they are set in this process.
  explicit PipeObserver(int descriptor, std::map<std::string, std::string> environment = {});
  void on_plan(const Plan& plan) override;
  void on_span(const StageSpan& span) override;
  void on_begin(const StageId& stage, int steps) override;
  void on_memory(const MemoryMark& mark) override;
  void on_clock(const ClockDrift& drift) override;
  void on_fact(const std::string& key, const std::string& value) override;

  /// Throws Error(kRuntime) when the watching process has gone. May be called from any thread.
  void send(const Message& message);
  /// Likewise, of a message of another protocol on the same pipe: one line without its end.
  void send_line(std::string line);
  /// That a video is complete.
  void send_finished(const Outcome& outcome);

 private:
  StageId named(StageId stage) const;

  int descriptor_;
  std::map<std::string, std::string> environment_;
  std::string task_;    // of the plan; names the preprocessing stage
  std::mutex writing_;  // a line is written whole
};

}  // namespace wan::suite
