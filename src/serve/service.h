// The server without HTTP: takes orders in, has them made by its workers, keeps and forgets them.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "measure/gpu.h"
#include "pipeline/decisions.h"
#include "results/folder_lock.h"
#include "serve/job_store.h"
#include "serve/live_video.h"
#include "serve/order.h"
#include "serve/video_files.h"
#include "serve/worker_link.h"

namespace wan::serve {

/// What a worker costs, for the price of a video.
struct HourPrice {
  double amount = 0;
  std::string currency;
};

struct ServiceOptions {
  std::filesystem::path folder;
  ServedModel model;
  OrderLimits limits;
  WorkerProgram program;             // of a worker
  std::vector<std::string> devices;  // one worker each: "cpu", "cuda:0"
  int64_t most_queued = 100;
  Retention retention;
  uint64_t least_free_bytes = uint64_t{1} << 30;  // below that no job is taken in
  std::chrono::milliseconds cancel_patience{30'000};
  std::optional<HourPrice> price;                   // of one worker
  std::function<int64_t()> now_ms;                  // milliseconds since 1970
  std::function<Decisions(const Request&)> decide;  // refuses what the engine would; opens no picture
};

/// What a video is expected to take, and by what that is known.
struct Estimate {
  double seconds = 0;
  std::string basis;
};

/// All that is known of a job now.
struct VideoView {
  Job job;
  std::optional<LiveVideo> live;          // in progress
  std::optional<int64_t> queue_position;  // queued: 1 is next
  std::optional<Estimate> expected;
};

struct WorkerView {
  std::string device;
  bool is_ready = false;
  std::string reason;  // why it is not
  int64_t starts = 0;
  std::optional<std::string> job_id;
  std::optional<measure::GpuReading> card;
};

/// Sums since the start.
struct ServiceTotals {
  int64_t completed = 0, failed = 0, cancelled = 0, steps = 0;
  double queue_s = 0, service_s = 0, energy_j = 0;
};

struct Submitted {
  VideoView video;
  bool is_new = true;
};

class VideoService {
 public:
  /// Keeps others out of the folder, recovers what a killed server left, starts the workers. `changed` is called, from
  /// any thread, when a view may have changed. Throws Error.
  VideoService(ServiceOptions options, std::function<void()> changed);
  /// Gives up what is being made: it is queued again.
  ~VideoService();
  VideoService(const VideoService&) = delete;
  VideoService& operator=(const VideoService&) = delete;

  const ServiceOptions& options() const { return options_; }
  const VideoFiles& files() const { return files_; }

  /// Throws ApiError: draining, a full disk or queue, what the engine would refuse, a key used for another order.
  Submitted submit(Order order, const std::string& idempotency_key);
  /// These throw ApiError(404) where no job has the id.
  VideoView view(std::string_view id) const;
  /// Another value whenever the view of this id may be another, for who looks often.
  std::pair<uint64_t, uint64_t> version(std::string_view id) const;
  VideoView cancel(std::string_view id);
  /// One that is in progress is cancelled first; nothing is said of it any more.
  void remove(std::string_view id);
  /// Throws ApiError(404) for an `after` that is none.
  std::pair<std::vector<VideoView>, bool> list(const JobFilter& filter) const;

  JobCounts counts() const { return store_.counts(); }
  std::vector<WorkerView> workers() const;
  ServiceTotals totals() const;
  bool is_draining() const { return draining_; }
  /// Why it can take nothing in, or nothing.
  std::optional<std::string> not_ready() const;

  /// No job is taken in from now on, and none is begun.
  void drain();
  /// Whether nothing is being made.
  bool is_idle() const;
  /// Forgets what is past its time. Called now and then.
  void sweep();

 private:
  struct Worker;
  void work(Worker& worker);
  bool start(Worker& worker);
  void make(Worker& worker, const Job& job);
  Attempt attempt_of(Worker& worker, const Job& job);
  void conclude(Worker& worker, const Job& job, const Attempt& attempt, const LiveVideo& live,
                const std::optional<double>& energy_j);
  MakeOrder order_of(const Job& job, const Worker& worker) const;
  VideoView view_of(Job job) const;
  std::optional<Estimate> estimate(const Job& job) const;
  /// Until it could be written, or the server ends.
  template <class Write>
  void keep_trying(Write write);
  void notice(const std::string& id, const WorkerMessage& message);
  /// A job began, ended, came or went.
  void tell_change();

  ServiceOptions options_;
  std::function<void()> changed_;
  VideoFiles files_;
  FolderLock lock_;
  JobStore store_;
  measure::GpuSet gpus_;

  mutable std::mutex mutex_;  // of what stands below it
  std::condition_variable queue_changed_;
  std::map<std::string, LiveVideo, std::less<>> live_;
  std::map<std::string, ExpectedVideo> expected_;  // by cost key
  std::set<std::string, std::less<>> to_stop_;     // jobs in progress that are to be cancelled
  ServiceTotals totals_;
  uint64_t jobs_version_ = 0;
  std::atomic<bool> draining_{false}, stopping_{false};
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace wan::serve
