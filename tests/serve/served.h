// A service over fake workers, for tests.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "eventually.h"
#include "serve/service.h"
#include "temporary_folder.h"

namespace wan::serve {

struct Served {
  Served() {
    options.folder = folder.path();
    options.model.name = "small";
    options.model.fps = 24;
    options.model.image = TakesImage::kMay;
    options.program = {{WAN_FAKE_WORKER}};
    options.devices = {"cpu"};
    options.most_queued = 5;
    options.least_free_bytes = 0;
    options.cancel_patience = std::chrono::milliseconds(200);
    options.now_ms = [this] { return now_ms.load(); };
    options.decide = [](const Request& request) {
      Decisions decisions;
      decisions.model = "small";
      decisions.width = 32;
      decisions.height = 16;
      decisions.num_frames = 5;
      decisions.fps = 24;
      decisions.steps = 2;
      decisions.computed = {{"dit", Precision::kF32}, {"vae", Precision::kF32}};
      require(request.num_frames != 7, "--num-frames 7: expected one more than a multiple of 4", ErrorKind::kUsage);
      return decisions;
    };
  }
  VideoService& start() {
    service.reset();
    service = std::make_unique<VideoService>(options, [this] { ++changes; });
    return *service;
  }
  /// The id of a new job.
  std::string submit(const std::string& prompt, const std::string& key = "") {
    return service->submit(order(prompt), key).video.job.id;
  }
  Order order(const std::string& prompt) const {
    Order order;
    order.request.prompt = prompt;
    order.given = "{\"prompt\":\"" + prompt + "\"}";
    return order;
  }
  Job job(const std::string& id) const { return service->view(id).job; }
  bool becomes(const std::string& id, JobState state) const {
    return test::eventually([&] { return job(id).state == state; });
  }
  bool has_begun() const {
    return test::eventually([&] { return std::filesystem::exists(folder / "has-begun"); });
  }

  const test::TemporaryFolder folder;
  ServiceOptions options;
  std::atomic<int64_t> now_ms{1'000'000};
  std::atomic<int64_t> changes{0};
  std::unique_ptr<VideoService> service;
};

}  // namespace wan::serve
