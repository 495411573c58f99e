#include "static/file_threads.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace hornet {

struct FileThreads::State {
  std::mutex mutex;
  std::condition_variable has_task;
  std::deque<std::shared_ptr<FileTask>> tasks;
  bool is_started = false;
  bool is_closed = false;
  // Held while a task is finished, so that Close() can wait for that.
  std::mutex finishing;
};

FileThreads::FileThreads() : state_(std::make_shared<State>()) {}

FileThreads::~FileThreads() { Close(); }

void FileThreads::Start() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (state_->is_started || state_->is_closed) return;
    state_->is_started = true;
  }
  for (uint32_t i = 0; i < kThreads; i++) std::thread(Work, state_).detach();
}

bool FileThreads::Post(std::shared_ptr<FileTask> task) {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (state_->tasks.size() >= kTasksMax || state_->is_closed) return false;
    state_->tasks.push_back(std::move(task));
  }
  state_->has_task.notify_one();
  return true;
}

void FileThreads::Close() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->is_closed = true;
    state_->tasks.clear();
  }
  state_->has_task.notify_all();
  std::lock_guard<std::mutex> lock(state_->finishing);
}

void FileThreads::Work(std::shared_ptr<State> state) {
#ifdef __linux__
  pthread_setname_np(pthread_self(), "hornet-files");
#endif
  for (;;) {
    std::shared_ptr<FileTask> task;
    {
      std::unique_lock<std::mutex> lock(state->mutex);
      state->has_task.wait(lock, [&] { return state->is_closed || !state->tasks.empty(); });
      if (state->is_closed) return;
      task = std::move(state->tasks.front());
      state->tasks.pop_front();
    }
    task->Run();
    std::lock_guard<std::mutex> finishing(state->finishing);
    {
      std::lock_guard<std::mutex> lock(state->mutex);
      if (state->is_closed) return;
    }
    FileTask* each = task.get();
    each->Finish(std::move(task));
  }
}

}  // namespace hornet
