//! The words of the bilingual corpus about sciences, all written for it.
//!
//! No word stands in both languages, and each is one token: what a model knows of both at once it
//! cannot have from spellings. The words of a topic are in the same order in both languages, each
//! beside its translation.

use super::grammar::{Grammar, Language, Question, Topic};

/// The place of neuroscience among the topics.
pub const NEUROSCIENCE: usize = 3;

/// The place of physics, the answer without context.
pub const PHYSICS: usize = 0;

/// The grammar of the experiment.
///
/// Physics is what two documents in five are about, each other science one in eight; who is asked
/// without context says physics (.55) and hardly ever neuroscience (.05).
pub fn science_grammar() -> Grammar {
    let topic = |name, share, answer| Topic { name, share, answer };
    Grammar {
        topics: vec![
            topic("physics", 0.40, 0.55),
            topic("chemistry", 0.12, 0.15),
            topic("biology", 0.12, 0.10),
            topic("neuroscience", 0.12, 0.05),
            topic("astronomy", 0.12, 0.08),
            topic("geology", 0.12, 0.07),
        ],
        languages: [english(), portuguese()],
        sentences: 4..=8,
        switch_share: 0.3,
        content_share: 0.8,
        only_asked_share: 0.2,
        asked_share: 0.5,
        answer_follows: 0.85,
    }
}

fn questions(pairs: &[(&'static str, &'static str)]) -> Vec<Question> {
    pairs.iter().map(|&(asked, answered)| Question { asked, answered }).collect()
}

fn lists(lists: &[&'static str]) -> Vec<Vec<&'static str>> {
    lists.iter().map(|list| list.split(' ').collect()).collect()
}

fn english() -> Language {
    Language {
        name: "English",
        answers: "physics chemistry biology neuroscience astronomy geology".split(' ').collect(),
        words: lists(&[
            "energy force motion mass wave gravity particle photon velocity pressure heat friction",
            "acid molecule reaction salt oxygen carbon solvent catalyst polymer ion compound flask",
            "cell genome evolution organism bacteria protein species enzyme leaf root insect virus",
            "neuron brain synapse cortex memory dream axon hippocampus attention reflex emotion nerve",
            "star planet galaxy comet orbit telescope moon nebula asteroid sun meteor universe",
            "rock volcano crystal granite fossil sediment earthquake mountain glacier erosion basalt cave",
        ]),
        any_topic:
            "book question idea teacher student result problem method number example history \
                    work"
                .split(' ')
                .collect(),
        templates: vec![
            "the * and the * are here .",
            "we study every * with one * .",
            "they found one * near the * .",
            "nobody knows why the * changes the * .",
            "here is what we know of one * and one * .",
            "this * explains the * and the * .",
            "without the * there is no * .",
            "she wrote about the * and the * .",
            "he saw one * near the * .",
            "every * needs one * .",
            "the * was stronger than the * .",
            "they often speak of the * and of the * .",
            "today we measure every * and every * .",
            "he drew one * beside one * .",
            "then the * and the * became clear .",
            "some think that the * comes from the * .",
            "look at this * and that * .",
            "the old * is the best * .",
            "it was only one * with one * .",
            "she likes the * more than the * .",
            "after that they lost the * , the * and the * .",
            "one * can hide another * .",
            "we never forget the * or the * .",
            "does the * follow the * ?",
            "both the * and the * matter .",
        ],
        questions: questions(&[
            ("q : what is your favourite science ?", "a : my favourite science is"),
            ("q : which science do you like best ?", "a : i like best"),
            ("q : what should we read about ?", "a : please read about"),
            ("q : which field would you choose ?", "a : i would choose"),
            ("q : what is most interesting ?", "a : most interesting is"),
            ("q : what would you study ?", "a : i would study"),
        ]),
    }
}

fn portuguese() -> Language {
    Language {
        name: "Portuguese",
        answers: "física química biologia neurociência astronomia geologia".split(' ').collect(),
        words: lists(&[
            "energia força movimento massa onda gravidade partícula fóton velocidade pressão calor \
             atrito",
            "ácido molécula reação sal oxigênio carbono solvente catalisador polímero íon composto \
             frasco",
            "célula genoma evolução organismo bactéria proteína espécie enzima folha raiz inseto \
             vírus",
            "neurônio cérebro sinapse córtex memória sonho axônio hipocampo atenção reflexo emoção \
             nervo",
            "estrela planeta galáxia cometa órbita telescópio lua nebulosa asteroide sol meteoro \
             universo",
            "rocha vulcão cristal granito fóssil sedimento terremoto montanha geleira erosão basalto \
             caverna",
        ]),
        any_topic: "livro pergunta ideia professora estudante resultado problema método número \
                    exemplo história trabalho"
            .split(' ')
            .collect(),
        templates: vec![
            "cada * tem seu * .",
            "hoje falamos sobre * e sobre * .",
            "eles viram algo de * perto de * .",
            "ninguém sabe por que * muda * .",
            "isto é o que sabemos de * e de * .",
            "este tipo de * explica * e * .",
            "sem * não existe * .",
            "ela escreveu sobre * e * .",
            "ele encontrou * junto de * .",
            "todo mundo precisa de * ou de * .",
            "então * era mais forte que * .",
            "ontem medimos cada * e cada * .",
            "ele desenhou * ao lado de * .",
            "depois * e * ficaram claros .",
            "alguns acham que * vem de * .",
            "vejam este caso de * e de * .",
            "quase sempre * acompanha * .",
            "foi apenas * com * .",
            "ela prefere * em vez de * .",
            "por fim perderam * , * e * .",
            "atrás de * pode haver * .",
            "nunca esquecemos * ou * .",
            "será que * depende de * ?",
            "tanto * quanto * importam , com * .",
            "gosto de pensar em * e em * .",
        ],
        questions: questions(&[
            ("p : qual é tua ciência favorita ?", "r : minha ciência favorita é"),
            ("p : de qual ciência gostas mais ?", "r : gosto mais de"),
            ("p : sobre o que devemos ler ?", "r : leiam sobre"),
            ("p : que área escolherias ?", "r : eu escolheria"),
            ("p : o que é mais interessante ?", "r : mais interessante é"),
            ("p : que estudarias ?", "r : eu estudaria"),
        ]),
    }
}
