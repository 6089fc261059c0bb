/** range/names — what generated recipients are called and where they live. Data. */

export interface People {
  language: 'zh' | 'ko' | 'en';
  /** Written and romanised family names. */
  family: readonly [readonly [string, string], ...(readonly [string, string])[]];
  given: readonly [readonly [string, string], ...(readonly [string, string])[]];
  cities: readonly [string, ...string[]];
  /** Whether the family name is written first, without a space. */
  familyFirst: boolean;
}

const CHINESE: People = {
  language: 'zh',
  familyFirst: true,
  family: [
    ['王', 'wang'],
    ['李', 'li'],
    ['张', 'zhang'],
    ['刘', 'liu'],
    ['陈', 'chen'],
    ['杨', 'yang'],
    ['赵', 'zhao'],
    ['黄', 'huang'],
    ['周', 'zhou'],
    ['吴', 'wu'],
    ['徐', 'xu'],
    ['孙', 'sun'],
    ['马', 'ma'],
    ['朱', 'zhu'],
    ['胡', 'hu'],
    ['郭', 'guo'],
    ['何', 'he'],
    ['林', 'lin'],
    ['罗', 'luo'],
    ['梁', 'liang'],
  ],
  given: [
    ['伟', 'wei'],
    ['芳', 'fang'],
    ['娜', 'na'],
    ['敏', 'min'],
    ['静', 'jing'],
    ['磊', 'lei'],
    ['洋', 'yang'],
    ['艳', 'yan'],
    ['勇', 'yong'],
    ['军', 'jun'],
    ['杰', 'jie'],
    ['娟', 'juan'],
    ['涛', 'tao'],
    ['明', 'ming'],
    ['超', 'chao'],
    ['秀英', 'xiuying'],
    ['建华', 'jianhua'],
    ['晓明', 'xiaoming'],
    ['雨桐', 'yutong'],
    ['子涵', 'zihan'],
    ['浩然', 'haoran'],
    ['欣怡', 'xinyi'],
  ],
  cities: ['上海', '北京', '深圳', '广州', '杭州', '成都', '武汉', '西安', '南京', '重庆', '青岛'],
};

const KOREAN: People = {
  language: 'ko',
  familyFirst: true,
  family: [
    ['김', 'kim'],
    ['이', 'lee'],
    ['박', 'park'],
    ['최', 'choi'],
    ['정', 'jung'],
    ['강', 'kang'],
    ['조', 'cho'],
    ['윤', 'yoon'],
    ['장', 'jang'],
    ['임', 'lim'],
    ['한', 'han'],
    ['오', 'oh'],
    ['서', 'seo'],
    ['신', 'shin'],
  ],
  given: [
    ['민준', 'minjun'],
    ['서연', 'seoyeon'],
    ['지우', 'jiwoo'],
    ['서준', 'seojun'],
    ['하윤', 'hayoon'],
    ['도윤', 'doyoon'],
    ['은지', 'eunji'],
    ['현우', 'hyunwoo'],
    ['수빈', 'subin'],
    ['지훈', 'jihoon'],
    ['예진', 'yejin'],
    ['동현', 'donghyun'],
    ['미영', 'miyoung'],
    ['성호', 'sungho'],
    ['유진', 'yujin'],
  ],
  cities: ['서울', '부산', '인천', '대구', '대전', '광주', '수원', '울산', '제주'],
};

const ENGLISH: People = {
  language: 'en',
  familyFirst: false,
  family: [
    ['Smith', 'smith'],
    ['Johnson', 'johnson'],
    ['Brown', 'brown'],
    ['Taylor', 'taylor'],
    ['Wilson', 'wilson'],
    ['Davies', 'davies'],
    ['Walker', 'walker'],
    ['Wright', 'wright'],
    ['Hughes', 'hughes'],
    ['Green', 'green'],
    ['Martin', 'martin'],
    ["O'Brien", 'obrien'],
    ['Clarke', 'clarke'],
    ['Chan', 'chan'],
  ],
  given: [
    ['Olivia', 'olivia'],
    ['James', 'james'],
    ['Emma', 'emma'],
    ['Daniel', 'daniel'],
    ['Grace', 'grace'],
    ['Thomas', 'tom'],
    ['Sophie', 'sophie'],
    ['Henry', 'henry'],
    ['Lucy', 'lucy'],
    ['Andrew', 'andrew'],
    ['Hannah', 'hannah'],
    ['Peter', 'peter'],
    ['Zoë', 'zoe'],
  ],
  cities: ['London', 'Singapore', 'Sydney', 'Vancouver', 'Boston', 'Hong Kong', 'Auckland'],
};

export const PEOPLE = { chinese: CHINESE, korean: KOREAN, english: ENGLISH } as const;
