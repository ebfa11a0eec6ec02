// The GRU layer alone in oneDNN: forward and backward in training, fp32, with the reset gate after
// the product (oneDNN: linear-before-reset; Keras: reset_after=True).
//
// A step contains what each step of a training would: the weights have changed, so they are
// reordered from Keras' plain layout into oneDNN's, once for the way forward and once for the way
// back; the gradients of the weights are zeroed, as oneDNN adds to them, and brought back to the
// plain layout.
//
//   onednn_gru HIDDEN BATCH INPUT SECONDS

#include <dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_map>
#include <vector>

#if DNNL_VERSION_MAJOR != 2
#error "this file is written for oneDNN 2, as in Debian 12's libdnnl-dev; later versions have another interface"
#endif

using dnnl::memory;
using Tag = memory::format_tag;
using Arguments = std::unordered_map<int, memory>;

constexpr int WINDOW = 128;
// Steps of the warm-up and of the measurement, however long they take.
constexpr size_t FEWEST_STEPS = 3;

struct Sizes {
    memory::dim hidden, batch, input;
};

// Something finite and small in every place: the values change nothing but denormals would.
memory filled(const memory::desc &desc, const dnnl::engine &engine) {
    memory made(desc, engine);
    auto *values = static_cast<float *>(made.get_data_handle());
    for (size_t i = 0; i < desc.get_size() / sizeof(float); ++i)
        values[i] = static_cast<float>(i * 7919 % 1000) * 1e-4f - 0.05f;
    return made;
}

void zero(memory &gradient) {
    std::memset(gradient.get_data_handle(), 0, gradient.get_desc().get_size());
}

memory::desc desc(const memory::dims &dims, Tag tag) {
    return memory::desc(dims, memory::data_type::f32, tag);
}

// The shapes of the layer. Weights are `any`: oneDNN chooses the layout that suits it.
struct Shapes {
    explicit Shapes(const Sizes &n)
        : sequence_in(desc({WINDOW, n.batch, n.input}, Tag::tnc)),
          sequence_out(desc({WINDOW, n.batch, n.hidden}, Tag::tnc)),
          state(desc({1, 1, n.batch, n.hidden}, Tag::ldnc)),
          kernel(desc({1, 1, n.input, 3, n.hidden}, Tag::any)),
          recurrent_kernel(desc({1, 1, n.hidden, 3, n.hidden}, Tag::any)),
          bias(desc({1, 1, 4, n.hidden}, Tag::ldgo)),
          plain_kernel(desc({1, 1, n.input, 3, n.hidden}, Tag::ldigo)),
          plain_recurrent_kernel(desc({1, 1, n.hidden, 3, n.hidden}, Tag::ldigo)) {}

    memory::desc sequence_in, sequence_out, state, kernel, recurrent_kernel, bias;
    memory::desc plain_kernel, plain_recurrent_kernel;
};

dnnl::lbr_gru_forward::primitive_desc forward_desc(const Shapes &s, const dnnl::engine &engine) {
    return {{dnnl::prop_kind::forward_training, dnnl::rnn_direction::unidirectional_left2right,
             s.sequence_in, s.state, s.kernel, s.recurrent_kernel, s.bias, s.sequence_out, s.state},
            engine};
}

dnnl::lbr_gru_backward::primitive_desc backward_desc(
    const Shapes &s, const dnnl::engine &engine,
    const dnnl::lbr_gru_forward::primitive_desc &forward) {
    return {{dnnl::prop_kind::backward, dnnl::rnn_direction::unidirectional_left2right,
             s.sequence_in, s.state, s.kernel, s.recurrent_kernel, s.bias, s.sequence_out, s.state,
             s.sequence_in, s.state, s.kernel, s.recurrent_kernel, s.bias, s.sequence_out, s.state},
            engine, forward};
}

class Gru {
public:
    explicit Gru(const Sizes &sizes)
        : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_), shapes_(sizes),
          forward_desc_(::forward_desc(shapes_, engine_)),
          backward_desc_(::backward_desc(shapes_, engine_, forward_desc_)),
          forward_(forward_desc_), backward_(backward_desc_),
          kernel_(filled(shapes_.plain_kernel, engine_)),
          recurrent_kernel_(filled(shapes_.plain_recurrent_kernel, engine_)),
          d_kernel_(filled(shapes_.plain_kernel, engine_)),
          d_recurrent_kernel_(filled(shapes_.plain_recurrent_kernel, engine_)) {
        const auto &f = forward_desc_;
        forward_arguments_ = {
            {DNNL_ARG_SRC_LAYER, filled(f.src_layer_desc(), engine_)},
            {DNNL_ARG_SRC_ITER, filled(f.src_iter_desc(), engine_)},
            {DNNL_ARG_WEIGHTS_LAYER, filled(f.weights_layer_desc(), engine_)},
            {DNNL_ARG_WEIGHTS_ITER, filled(f.weights_iter_desc(), engine_)},
            {DNNL_ARG_BIAS, filled(f.bias_desc(), engine_)},
            {DNNL_ARG_DST_LAYER, filled(f.dst_layer_desc(), engine_)},
            {DNNL_ARG_DST_ITER, filled(f.dst_iter_desc(), engine_)},
            {DNNL_ARG_WORKSPACE, filled(f.workspace_desc(), engine_)},
        };
        // What the way forward read and wrote, but for the weights, whose layout may differ.
        const auto &b = backward_desc_;
        backward_arguments_ = forward_arguments_;
        backward_arguments_[DNNL_ARG_WEIGHTS_LAYER] = filled(b.weights_layer_desc(), engine_);
        backward_arguments_[DNNL_ARG_WEIGHTS_ITER] = filled(b.weights_iter_desc(), engine_);
        backward_arguments_.insert({
            {DNNL_ARG_DIFF_SRC_LAYER, filled(b.diff_src_layer_desc(), engine_)},
            {DNNL_ARG_DIFF_SRC_ITER, filled(b.diff_src_iter_desc(), engine_)},
            {DNNL_ARG_DIFF_WEIGHTS_LAYER, filled(b.diff_weights_layer_desc(), engine_)},
            {DNNL_ARG_DIFF_WEIGHTS_ITER, filled(b.diff_weights_iter_desc(), engine_)},
            {DNNL_ARG_DIFF_BIAS, filled(b.diff_bias_desc(), engine_)},
            {DNNL_ARG_DIFF_DST_LAYER, filled(b.diff_dst_layer_desc(), engine_)},
            {DNNL_ARG_DIFF_DST_ITER, filled(b.diff_dst_iter_desc(), engine_)},
        });
    }

    void forward() {
        reorder(kernel_, forward_arguments_.at(DNNL_ARG_WEIGHTS_LAYER));
        reorder(recurrent_kernel_, forward_arguments_.at(DNNL_ARG_WEIGHTS_ITER));
        forward_.execute(stream_, forward_arguments_);
        stream_.wait();
    }

    void backward() {
        reorder(kernel_, backward_arguments_.at(DNNL_ARG_WEIGHTS_LAYER));
        reorder(recurrent_kernel_, backward_arguments_.at(DNNL_ARG_WEIGHTS_ITER));
        zero(backward_arguments_.at(DNNL_ARG_DIFF_WEIGHTS_LAYER));
        zero(backward_arguments_.at(DNNL_ARG_DIFF_WEIGHTS_ITER));
        zero(backward_arguments_.at(DNNL_ARG_DIFF_BIAS));
        backward_.execute(stream_, backward_arguments_);
        reorder(backward_arguments_.at(DNNL_ARG_DIFF_WEIGHTS_LAYER), d_kernel_);
        reorder(backward_arguments_.at(DNNL_ARG_DIFF_WEIGHTS_ITER), d_recurrent_kernel_);
        stream_.wait();
    }

private:
    void reorder(memory &from, memory &to) { dnnl::reorder(from, to).execute(stream_, from, to); }

    dnnl::engine engine_;
    dnnl::stream stream_;
    Shapes shapes_;
    dnnl::lbr_gru_forward::primitive_desc forward_desc_;
    dnnl::lbr_gru_backward::primitive_desc backward_desc_;
    dnnl::lbr_gru_forward forward_;
    dnnl::lbr_gru_backward backward_;
    memory kernel_, recurrent_kernel_, d_kernel_, d_recurrent_kernel_;
    Arguments forward_arguments_, backward_arguments_;
};

class Clock {
public:
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

struct Times {
    std::vector<double> forward_ms, backward_ms;
};

Times repeat(Gru &gru, double seconds) {
    Times times;
    for (Clock all; times.forward_ms.size() < FEWEST_STEPS || all.seconds() < seconds;) {
        Clock way_forward;
        gru.forward();
        times.forward_ms.push_back(way_forward.seconds() * 1e3);
        Clock way_back;
        gru.backward();
        times.backward_ms.push_back(way_back.seconds() * 1e3);
    }
    return times;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// Takes steps for half of `seconds` as warm-up, then for all of it.
void measure(Gru &gru, double seconds) {
    repeat(gru, seconds / 2);
    const Times times = repeat(gru, seconds);
    const auto *version = dnnl_version();
    std::printf("{\"version\": \"oneDNN %d.%d.%d\", \"forward_ms\": %.4f, \"backward_ms\": %.4f, "
                "\"steps\": %zu}\n",
                version->major, version->minor, version->patch, median(times.forward_ms),
                median(times.backward_ms), times.forward_ms.size());
}

int main(int count, char **arguments) {
    if (count != 5) {
        std::fprintf(stderr, "usage: onednn_gru HIDDEN BATCH INPUT SECONDS\n");
        return 2;
    }
    Gru gru({std::atol(arguments[1]), std::atol(arguments[2]), std::atol(arguments[3])});
    measure(gru, std::atof(arguments[4]));
}
